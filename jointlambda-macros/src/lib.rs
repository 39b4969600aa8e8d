//! The workflow language of jointlambda: entry points only.
//!
//! `scan` and `parse` give a `Source`, `validate` holds it against the rules, `resolve` makes the
//! `Model`, `lower` and `expand` turn it into tables and glue. Each step is whole before the next,
//! so that `expand` cannot fail. Nothing here does IO.

use proc_macro2::{Delimiter, Group, TokenStream};
use quote::quote;

mod attr;
mod diagnostics;
mod expand;
mod fallback;
mod hash;
mod lower;
#[allow(dead_code)] // until lowering and expansion read all of it
mod model;
mod parse;
mod plain;
mod provider;
mod resolve;
mod scan;
mod source;
mod suggest;
mod validate;
mod value;

#[cfg(test)]
mod tests;

use diagnostics::Diagnostics;

/// Declares a workflow: its clouds, its functions, and the function that calls them.
///
/// Everything inside is ordinary Rust and is emitted as written, minus `#[workflow]` and
/// `#[function]`. See the documentation of the crate `jointlambda`.
#[proc_macro]
pub fn workflow(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_block(input.into(), Form::Items).into()
}

/// [`workflow!`] as an attribute of a module: `#[workflow_mod] mod name { … }`.
#[proc_macro_attribute]
pub fn workflow_mod(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_block(item.into(), Form::Module { args: args.into() }).into()
}

/// How the items are given.
pub(crate) enum Form {
    /// `workflow! { items }`.
    Items,
    /// `#[workflow_mod(args)] mod name { items }`.
    Module { args: TokenStream },
}

/// The whole expansion, callable in process.
pub(crate) fn expand_block(input: TokenStream, form: Form) -> TokenStream {
    match form {
        Form::Items => expand_items(input, Diagnostics::new()),
        Form::Module { args } => expand_module(input, &args),
    }
}

fn expand_module(input: TokenStream, args: &TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::new();
    if !args.is_empty() {
        diagnostics.error(
            args,
            "`#[workflow_mod]` takes no keys\nhelp: write them on the function, `#[workflow(home = AWS)]`",
        );
    }
    match scan::module(&input) {
        Some((head, content)) => {
            let mut module = Group::new(Delimiter::Brace, expand_items(content.stream(), diagnostics));
            module.set_span(content.span());
            quote!(#head #module)
        }
        None => {
            diagnostics.error(
                &input,
                "`#[workflow_mod]` goes on a module with its content\nhelp: write `mod name { … }`",
            );
            let errors = diagnostics.into_errors();
            quote!(#(#errors)* #input)
        }
    }
}

fn expand_items(input: TokenStream, mut diagnostics: Diagnostics) -> TokenStream {
    let mut source = parse::parse(input, &mut diagnostics);
    plain::call_batches_with_one(&mut source);
    validate::validate(&source, &mut diagnostics);
    if !diagnostics.is_empty() {
        return fallback::fallback(&source, diagnostics);
    }
    let lowered = resolve::resolve(&source)
        .and_then(|model| lower::lower(&model, &mut diagnostics).map(|lowered| (model, lowered)));
    match lowered {
        Some((model, lowered)) if diagnostics.is_empty() => {
            let items = source.items.iter().map(source::Item::emitted);
            let generated = expand::expand(&model, &lowered);
            quote! { #(#items)* #generated }
        }
        _ => fallback::fallback(&source, diagnostics),
    }
}
