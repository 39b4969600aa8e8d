//! What is emitted beside errors: the user's items as written, and a stand-in for the workflow.
//!
//! Completion goes on working, and one mistake gives one message: nothing here may add an error of
//! its own. Must not report.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    diagnostics::Diagnostics,
    parse::{Item, Source, camel_case},
    validate::repeated,
};

/// Errors, items and stand-in, in this order.
pub(crate) fn fallback(source: &Source, diagnostics: Diagnostics) -> TokenStream {
    let mut errors = diagnostics.into_errors();
    let stand_in = stand_in(source, &mut errors);
    let items = items(source);
    quote! { #(#errors)* #stand_in #items }
}

/// The user's items; what rustc would refuse for a reason that is reported already is confined.
fn items(source: &Source) -> TokenStream {
    let repeated_clouds = repeated(source.clouds().map(|cloud| &cloud.ident));
    let repeated_fns = repeated(source.fns().map(|item| &item.sig.ident));
    let (mut clouds, mut fns) = (0, 0);
    let mut tokens = TokenStream::new();
    for item in &source.items {
        let mut again = false;
        match item {
            Item::Cloud(_) => {
                again = repeated_clouds.iter().any(|(_, at)| *at == clouds);
                clouds += 1;
            }
            Item::Function(_) => {
                again = repeated_fns.iter().any(|(_, at)| *at == fns);
                fns += 1;
            }
            Item::Other(_) | Item::Broken(_) => {}
        }
        let written = written(item);
        // A second item of one name is at home in a block of its own.
        tokens.extend(if again { quote!(const _: () = { #written };) } else { written });
    }
    tokens
}

fn written(item: &Item) -> TokenStream {
    let tokens = item.tokens();
    match item {
        Item::Cloud(cloud) => match &cloud.stand_in {
            Some(ty) => {
                let ident = &cloud.ident;
                quote!(#[allow(dead_code)] const #ident: #ty = <#ty>::aws("");)
            }
            None => tokens.clone(),
        },
        // One item that does not parse would take all others of the expansion with it; behind a
        // macro of its own it fails alone.
        Item::Broken(_) => quote! {
            const _: () = {
                macro_rules! as_written { ($($token:tt)*) => { $($token)* } }
                as_written! { #tokens }
            };
        },
        Item::Function(_) | Item::Other(_) => tokens.clone(),
    }
}

/// The type that `main!` and `serve!` name. It carries the first error: rustc reports it there, and
/// says nothing about what else is wrong with an erroneous type.
fn stand_in(source: &Source, errors: &mut Vec<TokenStream>) -> Option<TokenStream> {
    let (item, _) = source.workflows().next()?;
    let ident = camel_case(&item.sig.ident);
    if source.others().any(|other| other.type_ident.as_ref() == Some(&ident)) {
        return None;
    }
    let vis = &item.vis;
    Some(if errors.is_empty() {
        quote!(#[allow(dead_code)] #vis struct #ident {})
    } else {
        let first = errors.remove(0);
        quote!(#[allow(dead_code)] #vis type #ident = #first;)
    })
}
