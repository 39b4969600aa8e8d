//! Rules for the signatures of `#[function]`s and of the `#[workflow]`.
//!
//! What crosses between clouds is a value of one concrete, owned type. Whether that type can be
//! serialised is for rustc to say, not for this module.

use quote::ToTokens;
use syn::{
    FnArg, GenericParam, ReturnType, Safety, Type,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{diagnostics::Diagnostics, source::FnItem};

/// Beyond it a struct reads better, and the standard traits for tuples end.
const MAX_PARAMS: usize = 12;

pub(super) fn validate(item: &FnItem, diagnostics: &mut Diagnostics) {
    is_async(item, diagnostics);
    not_const(item, diagnostics);
    not_unsafe(item, diagnostics);
    not_extern(item, diagnostics);
    not_generic(item, diagnostics);
    no_receiver(item, diagnostics);
    not_variadic(item, diagnostics);
    few_params(item, diagnostics);
    owned_and_concrete(item, diagnostics);
}

fn is_async(item: &FnItem, diagnostics: &mut Diagnostics) {
    if item.sig.asyncness.is_none() && item.sig.constness.is_none() {
        diagnostics.error(
            &item.sig.fn_token,
            format!("{} must be `async`\nhelp: write `async fn {}`", item.role_name(), item.sig.ident),
        );
    }
}

fn not_const(item: &FnItem, diagnostics: &mut Diagnostics) {
    if let Some(constness) = &item.sig.constness {
        diagnostics.error(
            constness,
            format!("{} cannot be `const`\nhelp: write `async fn {}`", item.role_name(), item.sig.ident),
        );
    }
}

fn not_unsafe(item: &FnItem, diagnostics: &mut Diagnostics) {
    if let Safety::Unsafe(unsafety) = &item.sig.safety {
        diagnostics.error(
            unsafety,
            format!(
                "{} cannot be `unsafe`: no caller in another process could keep its promise\n\
                 help: use an `unsafe` block in the body, and check there what it relies on",
                item.role_name()
            ),
        );
    }
}

fn not_extern(item: &FnItem, diagnostics: &mut Diagnostics) {
    if let Some(abi) = &item.sig.abi {
        diagnostics.error(
            abi,
            format!("{} cannot be `extern`\nhelp: write `async fn {}`", item.role_name(), item.sig.ident),
        );
    }
}

fn not_generic(item: &FnItem, diagnostics: &mut Diagnostics) {
    let generics = &item.sig.generics;
    let role = item.role_name();
    let only_lifetimes = generics.params.iter().all(|param| matches!(param, GenericParam::Lifetime(_)));
    if !generics.params.is_empty() && only_lifetimes {
        diagnostics.error(
            &generics.params,
            format!(
                "{role} cannot have lifetimes: its values travel, so nothing can be borrowed\nhelp: take and return owned values"
            ),
        );
    } else if !generics.params.is_empty() {
        diagnostics.error(
            &generics.params,
            format!(
                "{role} cannot be generic: it is deployed once, with one type\nhelp: write the concrete type"
            ),
        );
    } else if let Some(clause) = &generics.where_clause {
        diagnostics.error(
            clause,
            format!("{role} cannot have a `where` clause: it is not generic\nhelp: remove the clause"),
        );
    }
}

fn no_receiver(item: &FnItem, diagnostics: &mut Diagnostics) {
    if let Some(receiver) = item.sig.receiver() {
        diagnostics.error(
            receiver,
            format!(
                "{} cannot take `self`: there is no object between clouds\nhelp: take the value as a parameter, `state: State`",
                item.role_name()
            ),
        );
    }
}

fn not_variadic(item: &FnItem, diagnostics: &mut Diagnostics) {
    if let Some(variadic) = &item.sig.variadic {
        diagnostics
            .error(&variadic.dots, format!("{} cannot be variadic\nhelp: take a `Vec`", item.role_name()));
    }
}

fn few_params(item: &FnItem, diagnostics: &mut Diagnostics) {
    let count = item.sig.inputs.len();
    if let Some(first_too_many) = item.sig.inputs.iter().nth(MAX_PARAMS) {
        diagnostics.error(
            first_too_many,
            format!(
                "{} has at most {MAX_PARAMS} parameters, this one has {count}\nhelp: group some in a struct",
                item.role_name()
            ),
        );
    }
}

fn owned_and_concrete(item: &FnItem, diagnostics: &mut Diagnostics) {
    let role = item.role_name();
    for input in &item.sig.inputs {
        if let FnArg::Typed(param) = input {
            travelling(&param.ty, role, "take", diagnostics);
        }
    }
    if let ReturnType::Type(_, ty) = &item.sig.output {
        travelling(ty, role, "return", diagnostics);
    }
}

fn travelling(ty: &Type, role: &str, verb: &'static str, diagnostics: &mut Diagnostics) {
    if let Type::TraitObject(object) = ty {
        diagnostics.error(
            object,
            format!(
                "{role} cannot {verb} a trait object: it travels, and its type must be known\n\
                 help: write the concrete type, or an `enum` of those it can be"
            ),
        );
        return;
    }
    Travelling { role, verb, diagnostics }.visit_type(ty);
}

/// Finds what cannot travel at any depth of a type; the outermost is enough.
struct Travelling<'a> {
    role: &'a str,
    verb: &'static str,
    diagnostics: &'a mut Diagnostics,
}

impl<'ast> Visit<'ast> for Travelling<'_> {
    fn visit_type_reference(&mut self, reference: &'ast syn::TypeReference) {
        let owned = owned(&reference.elem);
        self.diagnostics.error(
            reference,
            format!(
                "{} cannot {} a reference: values travel between clouds\nhelp: {} `{owned}`",
                self.role, self.verb, self.verb
            ),
        );
    }

    fn visit_type_impl_trait(&mut self, hidden: &'ast syn::TypeImplTrait) {
        self.diagnostics.error(
            hidden,
            format!(
                "{} cannot {} `impl Trait`: what travels has one named type\nhelp: write the concrete type",
                self.role, self.verb
            ),
        );
    }

    // `fn(&str)` and `Box<dyn Fn(&str)>` hold no reference; that they cannot be serialised is said
    // by rustc.
    fn visit_type_fn_ptr(&mut self, _: &'ast syn::TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast syn::ParenthesizedGenericArguments) {}

    fn visit_expr(&mut self, _: &'ast syn::Expr) {}

    fn visit_type(&mut self, ty: &'ast Type) {
        visit::visit_type(self, ty);
    }
}

/// The owned type for what stands behind a `&`, as text.
fn owned(borrowed: &Type) -> String {
    match borrowed {
        Type::Path(path) if path.path.is_ident("str") => "String".into(),
        Type::Path(path) if path.path.is_ident("Path") => "PathBuf".into(),
        Type::Slice(slice) => format!("Vec<{}>", text(&slice.elem)),
        Type::Reference(inner) => owned(&inner.elem),
        other => text(other),
    }
}

/// The type as the user wrote it when that is known, else as tokens.
fn text(ty: &Type) -> String {
    let source = ty.span().source_text();
    source.unwrap_or_else(|| ty.to_token_stream().to_string().replace(" ", ""))
}
