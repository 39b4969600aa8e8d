//! A valid model and its lowered body → tokens. Cannot fail: whatever can be wrong was refused.
//!
//! The expansion is data plus a few lines per function: the static definition, one closure per
//! function that decodes its arguments, and one function with all the glue.

mod glue;
mod rewrite;
mod tables;

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Type, spanned::Spanned};

use crate::{
    lower::Lowered,
    model::{Function, Model},
};

/// The text that the hash of the definition is taken of.
#[cfg(test)]
pub(crate) fn hash_text(model: &Model, lowered: &Lowered) -> String {
    crate::hash::text(model, lowered, &glue::Glue::new(model, lowered).tables())
}

/// What is emitted beside the user's items.
pub(crate) fn expand(model: &Model, lowered: &Lowered) -> TokenStream {
    let glue = glue::Glue::new(model, lowered);
    let workflow_type = expand_type(model);
    let checks = expand_checks(model);
    let functions = model.functions.iter().map(expand_function);
    let tables = glue.tables();
    let definition = tables::expand_definition(model, lowered, &tables);
    let (glue_fn, reads, vars) = (glue.expand(), &tables.reads, &tables.vars);
    let implementation = expand_impl(model);
    quote! {
        #workflow_type
        #[automatically_derived]
        const _: () = {
            use ::jointlambda::private as __private;
            #checks
            static __DEFINITION: __private::Definition = #definition;
            static __CODE: __private::Code = __private::Code {
                glue: __glue,
                functions: &[#(#functions),*],
                reads: &[#(&[#(#reads),*]),*],
                vars: &[#(#vars),*],
            };
            #glue_fn
            #implementation
        };
    }
}

fn expand_type(model: &Model) -> TokenStream {
    let workflow = &model.workflow;
    let (vis, ident) = (&workflow.vis, &workflow.type_ident);
    let doc = format!("The workflow [`{}`] to deploy, start and draw.", workflow.ident);
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        #vis struct #ident {}
    }
}

/// What a function takes and returns must be able to travel; said once, at the type itself. Gives
/// the shapes of these types.
fn expand_checks(model: &Model) -> TokenStream {
    let functions = model.functions.iter().flat_map(|f| f.params.iter().map(|p| &p.ty).chain([&f.output]));
    let workflow = &model.workflow;
    // What the workflow takes and returns is checked by the trait `Workflow`.
    let ours = workflow.params.iter().map(|p| &p.ty).chain([&workflow.output]);
    let mut seen: HashSet<&Type> = ours.collect();
    let types: Vec<_> = functions.filter(|ty| seen.insert(ty)).collect();
    let count = types.len();
    let checks = types.iter().map(|ty| quote_spanned!(ty.span()=> __private::travels::<#ty>()));
    quote! {
        #[allow(warnings, unused, clippy::all)]
        fn __travel() -> [fn(&mut __private::Shapes); #count] { [#(#checks),*] }
    }
}

/// Decodes the arguments of a function and calls it.
fn expand_function(function: &Function) -> TokenStream {
    let (ident, output) = (&function.ident, &function.output);
    let types: Vec<&Type> = function.params.iter().map(|param| &param.ty).collect();
    let is_err = quote_spanned! {ident.span()=> {
        #[allow(unused)]
        use __private::NeverErr as _;
        __private::Probe::<#output>::new().is_err()
    }};
    if function.placement.batch.is_some() {
        return quote_spanned! {ident.span()=>
            __private::Start::Batch(|args| {
                __private::start_batch(args, |items: ::std::vec::Vec<#(#types)*>| #ident(items), #is_err)
            })
        };
    }
    let args: Vec<_> = (0..types.len()).map(|i| quote::format_ident!("a{i}")).collect();
    quote_spanned! {ident.span()=>
        __private::Start::Call(|args| {
            __private::start(args, |(#(#args,)*): (#(#types,)*)| #ident(#(#args),*), #is_err)
        })
    }
}

fn expand_impl(model: &Model) -> TokenStream {
    let workflow = &model.workflow;
    let (ident, function, output) = (&workflow.type_ident, &workflow.ident, &workflow.output);
    let types: Vec<_> = workflow.params.iter().map(|param| &param.ty).collect();
    let args: Vec<_> = (0..types.len()).map(|i| quote::format_ident!("a{i}")).collect();
    let (input, pattern) = match (&types[..], &args[..]) {
        ([ty], [arg]) => (quote!(#ty), quote!(#arg)),
        _ => (quote!((#(#types,)*)), quote!((#(#args,)*))),
    };
    quote! {
        impl __private::Workflow for #ident {
            type Input = #input;
            type Output = #output;
            fn definition() -> &'static __private::Definition {
                static __WHOLE: ::std::sync::OnceLock<__private::Definition> = ::std::sync::OnceLock::new();
                __WHOLE.get_or_init(|| __private::hashed::<Self>(&__DEFINITION))
            }
            fn shapes(shapes: &mut __private::Shapes) {
                __travel().into_iter().for_each(|add| add(shapes));
            }
            fn code() -> &'static __private::Code {
                &__CODE
            }
            fn plain(#pattern: #input) -> __private::LocalBoxFuture<'static, #output> {
                ::std::boxed::Box::pin(#function(#(#args),*))
            }
        }
    }
}
