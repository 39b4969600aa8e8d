//! Tokens → items: clouds and functions with their attributes and signatures parsed.
//!
//! Bodies stay groups of tokens, and every item keeps the tokens that are emitted for it, minus
//! our own attributes. Must not check anything but syntax: rules are in `validate`.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprLit, Lit, LitStr, Signature, Token, Type, Visibility,
    parse::{ParseStream, Parser},
};

use crate::{
    attr::{self, FunctionArgs, WorkflowArgs},
    diagnostics::Diagnostics,
    model::Provider,
    scan::{self, Head, RawItem},
};

/// The content of a `workflow!`, in source order.
pub(crate) struct Source {
    pub(crate) items: Vec<Item>,
}

pub(crate) enum Item {
    Cloud(CloudItem),
    Function(Box<FnItem>),
    /// Anything that passes through untouched.
    Other(OtherItem),
    /// One of our items whose syntax rustc refuses, and reports.
    Broken(BrokenItem),
}

/// `const NAME: Cloud = …;`
pub(crate) struct CloudItem {
    pub(crate) ident: Ident,
    /// `None` when the initialiser is not one of the two forms; that is reported already.
    pub(crate) value: Option<(Provider, LitStr)>,
    pub(crate) cfg: Option<TokenStream>,
    pub(crate) tokens: TokenStream,
    /// Whether rustc, too, would refuse the initialiser: for which type it then stands in.
    pub(crate) stand_in: Option<Box<Type>>,
}

/// A function with one of our attributes.
pub(crate) struct FnItem {
    pub(crate) role: Role,
    /// The word `function` or `workflow` of the attribute.
    pub(crate) marker: Ident,
    pub(crate) doc: String,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for `async fn f();`, which rustc reports.
    pub(crate) body: Option<Group>,
    pub(crate) cfg: Option<TokenStream>,
    pub(crate) tokens: TokenStream,
}

pub(crate) enum Role {
    Function(FunctionArgs),
    Workflow(WorkflowArgs),
}

pub(crate) struct OtherItem {
    /// The name of a `struct`, `enum`, `union`, `type` or `trait`.
    pub(crate) type_ident: Option<Ident>,
    /// The name of an `async fn` without an attribute.
    pub(crate) async_fn: Option<Ident>,
    pub(crate) tokens: TokenStream,
}

pub(crate) struct BrokenItem {
    pub(crate) kind: BrokenKind,
    /// The name, as far as it is typed.
    pub(crate) ident: Option<Ident>,
    pub(crate) tokens: TokenStream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenKind {
    Cloud,
    Function,
    Workflow,
}

impl Source {
    pub(crate) fn clouds(&self) -> impl Iterator<Item = &CloudItem> {
        self.items.iter().filter_map(|item| match item {
            Item::Cloud(cloud) => Some(cloud),
            _ => None,
        })
    }

    /// Functions and workflows.
    pub(crate) fn fns(&self) -> impl Iterator<Item = &FnItem> {
        self.items.iter().filter_map(|item| match item {
            Item::Function(function) => Some(&**function),
            _ => None,
        })
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = (&FnItem, &FunctionArgs)> {
        self.fns().filter_map(|item| match &item.role {
            Role::Function(args) => Some((item, args)),
            Role::Workflow(_) => None,
        })
    }

    pub(crate) fn workflows(&self) -> impl Iterator<Item = (&FnItem, &WorkflowArgs)> {
        self.fns().filter_map(|item| match &item.role {
            Role::Workflow(args) => Some((item, args)),
            Role::Function(_) => None,
        })
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = &OtherItem> {
        self.items.iter().filter_map(|item| match item {
            Item::Other(other) => Some(other),
            _ => None,
        })
    }

    pub(crate) fn broken(&self, kind: BrokenKind) -> impl Iterator<Item = &BrokenItem> {
        self.items.iter().filter_map(move |item| match item {
            Item::Broken(broken) if broken.kind == kind => Some(broken),
            _ => None,
        })
    }
}

impl Item {
    /// What the user wrote, minus our attributes.
    pub(crate) fn tokens(&self) -> &TokenStream {
        match self {
            Item::Cloud(item) => &item.tokens,
            Item::Function(item) => &item.tokens,
            Item::Other(item) => &item.tokens,
            Item::Broken(item) => &item.tokens,
        }
    }
}

impl FnItem {
    /// The attribute in prose.
    pub(crate) fn role_name(&self) -> &'static str {
        match self.role {
            Role::Function(_) => "a `#[function]`",
            Role::Workflow(_) => "a `#[workflow]`",
        }
    }
}

pub(crate) fn parse(tokens: TokenStream, diagnostics: &mut Diagnostics) -> Source {
    let items = scan::split(tokens).into_iter().map(|raw| item(raw, diagnostics)).collect();
    Source { items }
}

fn item(mut raw: RawItem, diagnostics: &mut Diagnostics) -> Item {
    let role = take_markers(&mut raw, diagnostics);
    match (raw.head(), role) {
        (Head::Fn { .. }, Some((marker, role))) => function(raw, marker, role, diagnostics),
        (Head::Const, None) => constant(raw, diagnostics),
        (_, Some((marker, _))) => {
            diagnostics.error(
                &marker,
                format!("`#[{marker}]` goes on a function\nhelp: write it above an `async fn`, or remove it"),
            );
            other(raw)
        }
        (_, None) => other(raw),
    }
}

fn other(raw: RawItem) -> Item {
    let (type_ident, async_fn) = match raw.head() {
        Head::Type { ident } => (Some(ident.clone()), None),
        Head::Fn { is_async: true, ident } => (None, ident.cloned()),
        _ => (None, None),
    };
    Item::Other(OtherItem { type_ident, async_fn, tokens: raw.to_token_stream() })
}

/// Removes `#[function]` and `#[workflow]` from the item's attributes and parses the first.
fn take_markers(raw: &mut RawItem, diagnostics: &mut Diagnostics) -> Option<(Ident, Role)> {
    let mut taken: Option<(Ident, Role)> = None;
    raw.attributes.retain(|attribute| {
        let Some(marker) = attribute.name().filter(|name| name == "function" || name == "workflow") else {
            return true;
        };
        if let Some((first, _)) = &taken {
            let rule = if *first == marker {
                format!("`#[{marker}]` is given twice\nhelp: keep one, with all its keys")
            } else {
                "a function is either a `#[function]` or the `#[workflow]`\nhelp: keep one of the two".into()
            };
            diagnostics.error(&marker, rule);
            return false;
        }
        let args = arguments(&marker, attribute.content.stream(), diagnostics);
        let role = if marker == "function" {
            Role::Function(attr::function(args, diagnostics))
        } else {
            Role::Workflow(attr::workflow(args, diagnostics))
        };
        taken = Some((marker, role));
        false
    });
    taken
}

/// What is between the parentheses of `function(…)`.
fn arguments(marker: &Ident, content: TokenStream, diagnostics: &mut Diagnostics) -> TokenStream {
    let after_name = content.into_iter().skip(1).collect::<Vec<_>>();
    match after_name.as_slice() {
        [] => TokenStream::new(),
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Parenthesis => group.stream(),
        wrong => {
            let example = if marker == "function" { "function(on = AWS)" } else { "workflow(home = AWS)" };
            let wrong: TokenStream = wrong.iter().cloned().collect();
            diagnostics.error(
                &wrong,
                format!("the keys of `#[{marker}]` are in parentheses\nhelp: write `#[{example}]`"),
            );
            TokenStream::new()
        }
    }
}

fn function(raw: RawItem, marker: Ident, role: Role, diagnostics: &mut Diagnostics) -> Item {
    let tokens = raw.to_token_stream();
    let (head, body) = match raw.rest.split_last() {
        Some((TokenTree::Group(body), head)) if body.delimiter() == Delimiter::Brace => (head, Some(body)),
        Some((TokenTree::Punct(end), head)) if end.as_char() == ';' => (head, None),
        _ => (raw.rest.as_slice(), None),
    };
    let signature = |input: ParseStream<'_>| Ok((input.parse::<Visibility>()?, input.parse::<Signature>()?));
    match signature.parse2(head.iter().cloned().collect()) {
        Ok((vis, sig)) => {
            if body.is_none() {
                diagnostics.leave_to_rustc();
            }
            Item::Function(Box::new(FnItem {
                role,
                marker,
                doc: doc(&raw),
                vis,
                sig,
                body: body.cloned(),
                cfg: cfg(&raw),
                tokens,
            }))
        }
        Err(_) => {
            diagnostics.leave_to_rustc();
            let kind = match role {
                Role::Function(_) => BrokenKind::Function,
                Role::Workflow(_) => BrokenKind::Workflow,
            };
            let ident = match raw.head() {
                Head::Fn { ident, .. } => ident.cloned(),
                _ => None,
            };
            Item::Broken(BrokenItem { kind, ident, tokens })
        }
    }
}

/// A `const`: a cloud when its type is `Cloud`.
fn constant(raw: RawItem, diagnostics: &mut Diagnostics) -> Item {
    let head = |input: ParseStream<'_>| {
        input.parse::<Visibility>()?;
        input.parse::<Token![const]>()?;
        let ident = input.parse::<Ident>()?;
        input.parse::<Token![:]>()?;
        let ty = input.parse::<Type>()?;
        Ok((ident, ty, input.parse::<TokenStream>()?))
    };
    let Ok((ident, ty, rest)) = head.parse2(raw.rest.iter().cloned().collect()) else {
        return other(raw);
    };
    if !matches!(&ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Cloud")) {
        return other(raw);
    }
    let tokens = raw.to_token_stream();
    let initialiser = |input: ParseStream<'_>| {
        input.parse::<Token![=]>()?;
        let value = input.parse::<Expr>()?;
        input.parse::<Token![;]>()?;
        Ok(value)
    };
    let Ok(value) = initialiser.parse2(rest) else {
        diagnostics.leave_to_rustc();
        return Item::Broken(BrokenItem { kind: BrokenKind::Cloud, ident: Some(ident), tokens });
    };
    let (value, refused_by_rustc) = cloud_value(&value, diagnostics);
    let stand_in = refused_by_rustc.then(|| Box::new(ty));
    Item::Cloud(CloudItem { ident, value, cfg: cfg(&raw), tokens, stand_in })
}

const CLOUD_FORMS: &str =
    "help: write `Cloud::aws(\"ap-northeast-1\")` or `Cloud::aliyun(\"ap-northeast-1\")`";

/// The provider and region of `Cloud::aws("…")`, or an error; then also whether rustc would add
/// one of its own.
fn cloud_value(value: &Expr, diagnostics: &mut Diagnostics) -> (Option<(Provider, LitStr)>, bool) {
    let Some((constructor, region)) = constructor(value) else {
        diagnostics.error(value, format!("a cloud is declared with a provider and its region\n{CLOUD_FORMS}"));
        return (None, false);
    };
    let provider = if constructor == "aws" {
        Provider::Aws
    } else if constructor == "aliyun" {
        Provider::Aliyun
    } else {
        diagnostics.error(&constructor, format!("unknown provider `{constructor}`\n{CLOUD_FORMS}"));
        return (None, true);
    };
    match region.as_slice() {
        [Expr::Lit(ExprLit { lit: Lit::Str(region), .. })] => (Some((provider, region.clone())), false),
        [region] => {
            diagnostics.error(
                *region,
                format!("a region is a string literal: the definition is made at compile time\n{CLOUD_FORMS}"),
            );
            (None, !matches!(region, Expr::Path(_) | Expr::Call(_) | Expr::Macro(_)))
        }
        _ => {
            diagnostics.error(value, format!("`Cloud::{constructor}` takes one region\n{CLOUD_FORMS}"));
            (None, true)
        }
    }
}

/// `aws` and the arguments of `path::Cloud::aws(…)`.
fn constructor(value: &Expr) -> Option<(Ident, Vec<&Expr>)> {
    let Expr::Call(call) = value else { return None };
    let Expr::Path(function) = &*call.func else { return None };
    let mut segments = function.path.segments.iter().rev();
    let (name, ty) = (segments.next()?, segments.next()?);
    (ty.ident == "Cloud").then(|| (name.ident.clone(), call.args.iter().collect()))
}

/// The first line of the doc comment.
fn doc(raw: &RawItem) -> String {
    let text = raw.attributes.iter().filter(|attribute| attribute.name().is_some_and(|name| name == "doc"));
    let lines = text.filter_map(|attribute| {
        let literal = attribute.content.stream().into_iter().nth(2)?;
        syn::parse2::<LitStr>(literal.into()).ok()
    });
    let first = lines.map(|line| line.value()).find(|line| !line.trim().is_empty());
    first.map(|line| line.trim().lines().next().unwrap_or_default().trim().to_owned()).unwrap_or_default()
}

/// The first `#[cfg(…)]`, which none of our items can have.
fn cfg(raw: &RawItem) -> Option<TokenStream> {
    let cfg = raw.attributes.iter().find(|attribute| attribute.name().is_some_and(|name| name == "cfg"));
    cfg.map(|attribute| attribute.content.stream())
}

/// The name in CamelCase: the type that stands for the workflow.
pub(crate) fn camel_case(ident: &Ident) -> Ident {
    let name = ident.to_string();
    let words = name.trim_start_matches("r#").split('_');
    let mut camel = String::new();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        camel.extend(letters);
    }
    if camel == "Self" || !camel.starts_with(|first: char| first.is_alphabetic()) {
        camel = format!("Workflow{camel}");
    }
    Ident::new(&camel, ident.span())
}


#[cfg(test)]
mod tests {
    use super::*;

    fn camel(name: &str) -> String {
        camel_case(&syn::parse_str::<Ident>(name).unwrap()).to_string()
    }

    #[test]
    fn the_type_is_the_name_in_camel_case() {
        assert_eq!(camel("video_analytics"), "VideoAnalytics");
        assert_eq!(camel("step2_done"), "Step2Done");
        assert_eq!(camel("_hidden__name_"), "HiddenName");
        assert_eq!(camel("r#match"), "Match");
        assert_eq!(camel("écoute"), "Écoute");
    }

    #[test]
    fn a_name_that_gives_no_type_name_gets_a_prefix() {
        assert_eq!(camel("_1"), "Workflow1");
        assert_eq!(camel("__"), "Workflow");
        assert_eq!(camel("self_"), "WorkflowSelf");
    }

    #[test]
    fn the_doc_is_the_first_line_that_says_something() {
        let mut diagnostics = Diagnostics::new();
        let text = "#[function] ///\n/// Splits a clip.\n/// More.\nasync fn split() {}";
        let source = parse(text.parse().unwrap(), &mut diagnostics);
        assert_eq!(source.fns().next().unwrap().doc, "Splits a clip.");
        assert!(diagnostics.is_empty());
    }
}
