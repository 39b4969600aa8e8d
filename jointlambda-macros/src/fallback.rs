//! What is emitted beside errors: the user's items as written, and a stand-in for the workflow.
//!
//! Completion goes on working, and one mistake gives one message: what rustc would say about a
//! mistake that is reported already is averted where that is possible. Must not report.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    diagnostics::Diagnostics,
    source::{BrokenKind, CloudItem, FnItem, Item, Role, Source, camel_case},
    validate::repeated,
};

/// Items first, as a module's inner attributes must be; then the errors.
pub(crate) fn fallback(source: &Source, diagnostics: Diagnostics) -> TokenStream {
    let items = items(source, diagnostics.repeated_by_rustc());
    let mut errors = diagnostics.into_errors();
    let last = errors.pop();
    let stand_in = stand_in(source, last);
    quote! { #items #(#errors)* #stand_in }
}

/// The user's items; a second item of one name is confined to a block of its own.
fn items(source: &Source, without_body: bool) -> TokenStream {
    let repeated_clouds = repeated(source.clouds().map(|cloud| &cloud.ident));
    let repeated_fns = repeated(source.fns().map(|item| &item.sig.ident));
    let (mut clouds, mut fns) = (0, 0);
    let mut tokens = TokenStream::new();
    for item in &source.items {
        let (written, again) = match item {
            Item::Cloud(cloud) => {
                clouds += 1;
                (written_cloud(cloud), repeated_clouds.iter().any(|(_, at)| at + 1 == clouds))
            }
            Item::Function(function) => {
                fns += 1;
                let written = match function.role {
                    Role::Workflow(_) if without_body => without_its_body(function),
                    _ => written_fn(function),
                };
                (written, repeated_fns.iter().any(|(_, at)| at + 1 == fns))
            }
            Item::Broken(broken) => (confined(&broken.tokens), false),
            Item::Other(other) => (other.tokens.clone(), false),
        };
        tokens.extend(if again { quote!(const _: () = { #written };) } else { written });
    }
    tokens
}

fn written_cloud(cloud: &CloudItem) -> TokenStream {
    match &cloud.stand_in {
        Some(ty) => {
            let ident = &cloud.ident;
            quote!(#[allow(dead_code)] const #ident: #ty = <#ty>::aws("");)
        }
        None => cloud.tokens.clone(),
    }
}

/// A function that should have been `async` is emitted as if it were: its callers are right.
fn written_fn(item: &FnItem) -> TokenStream {
    let mut sig = item.sig.clone();
    if sig.asyncness.is_some() && sig.constness.is_none() && sig.variadic.is_none() {
        return item.tokens.clone();
    }
    let (attributes, vis, body) = (&item.attributes, &item.vis, &item.body);
    sig.asyncness = sig.asyncness.or_else(|| Some(Default::default()));
    sig.constness = None;
    sig.variadic = None;
    quote!(#attributes #vis #sig #body)
}

/// The workflow function as it is for an IDE, and without its body for rustc.
fn without_its_body(item: &FnItem) -> TokenStream {
    let FnItem { attributes, vis, sig, tokens, .. } = item;
    quote! {
        #[allow(unexpected_cfgs)]
        const _: () = {
            #[cfg(rust_analyzer)]
            #tokens
        };
        #[allow(unused)]
        #attributes #vis #sig { ::core::unreachable!() }
    }
}

/// One item that does not parse would take all others of the expansion with it; behind a macro of
/// its own it fails alone.
fn confined(tokens: &TokenStream) -> TokenStream {
    quote! {
        const _: () = {
            macro_rules! as_written { ($($token:tt)*) => { $($token)* } }
            as_written! { #tokens }
        };
    }
}

/// The type that `main!` and `serve!` name. It carries the last error: rustc reports it there, and
/// says nothing about what else is wrong with an erroneous type.
fn stand_in(source: &Source, error: Option<TokenStream>) -> TokenStream {
    let whole = source.workflows().map(|(item, _)| {
        let vis = &item.vis;
        (quote!(#vis), camel_case(&item.sig.ident))
    });
    let broken = source.broken(BrokenKind::Workflow).filter_map(|broken| broken.ident.as_ref());
    let (vis, ident) = match whole.chain(broken.map(|ident| (quote!(pub), camel_case(ident)))).next() {
        Some(workflow) => workflow,
        None => return error.unwrap_or_default(),
    };
    if source.others().any(|other| other.type_ident.as_ref() == Some(&ident)) {
        return error.unwrap_or_default();
    }
    match error {
        Some(error) => quote!(#[allow(dead_code)] #vis type #ident = #error;),
        // Only rustc has something to say.
        None => quote!(#[allow(dead_code)] #vis struct #ident {}),
    }
}
