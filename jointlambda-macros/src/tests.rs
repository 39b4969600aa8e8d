//! The expansion as a whole, in process: what is emitted for good and for broken input.

mod expansion;
mod hash;
mod size;

use proc_macro2::TokenStream;
use quote::quote;

use crate::{Form, diagnostics::Diagnostics, expand_block, parse, resolve, validate};

fn expand(input: TokenStream) -> String {
    expand_block(input, Form::Items).to_string()
}

fn good() -> TokenStream {
    quote! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        #[derive(Clone)]
        struct Clip;
        /// Doubles twice.
        #[workflow(max_turns = 7)]
        pub async fn twice(x: u32) -> u32 { double(double(x).await).await }
        #[function(memory = 1024, timeout = "1m")]
        async fn double(x: u32) -> u32 { triple(x) - x }
        fn triple(x: u32) -> u32 { 3 * x }
    }
}

fn errors(output: &str) -> usize {
    output.matches("compile_error").count()
}

#[track_caller]
fn assert_holds(output: &str, item: TokenStream) {
    assert!(output.contains(&item.to_string()), "`{item}` is not in:\n{output}");
}

#[test]
fn good_input_is_emitted_as_written_without_our_attributes() {
    let output = expand(good());
    assert_eq!(errors(&output), 0, "{output}");
    assert_holds(
        &output,
        quote!(
            const AWS: Cloud = Cloud::aws("ap-northeast-1");
        ),
    );
    assert_holds(
        &output,
        quote!(
            #[derive(Clone)]
            struct Clip;
        ),
    );
    assert_holds(
        &output,
        quote! {
            /// Doubles twice.
            pub async fn twice(x: u32) -> u32 { double(double(x).await).await }
        },
    );
    assert_holds(
        &output,
        quote!(
            async fn double(x: u32) -> u32 {
                triple(x) - x
            }
        ),
    );
    assert_holds(
        &output,
        quote!(
            fn triple(x: u32) -> u32 {
                3 * x
            }
        ),
    );
    assert!(!output.contains("max_turns ="), "{output}");
}

#[test]
fn the_same_input_gives_the_same_output() {
    assert_eq!(expand(good()), expand(good()));
    let wrong = || {
        quote!(
            #[function(a = 1, b = 2, on = X)]
            fn f(x: &str, y: impl T) {}
            #[workflow]
            fn g() {}
        )
    };
    assert_eq!(expand(wrong()), expand(wrong()));
}

#[test]
fn a_module_keeps_its_head_and_its_inner_attributes() {
    let content = good();
    let module = |content: &TokenStream| {
        quote! {
            #[allow(missing_docs)]
            pub(crate) mod twice { #![allow(unused)] use super::*; #content }
        }
    };
    let output = expand_block(module(&content), Form::Module { args: quote!() }).to_string();
    assert!(output.starts_with(&quote!(#[allow(missing_docs)] pub(crate) mod twice).to_string()));
    assert_eq!(errors(&output), 0, "{output}");

    let broken = quote!(#content #[workflow] async fn again() {});
    let output = expand_block(module(&broken), Form::Module { args: quote!() }).to_string();
    assert_eq!(errors(&output), 1, "{output}");
    assert!(output.find("! [allow (unused)]") < output.find("compile_error"), "{output}");
}

#[test]
fn items_are_emitted_beside_errors() {
    let output = expand(quote! {
        const AWS: Cloud = Cloud::aws("r");
        use a::B;
        #[workflow]
        async fn run(x: B) -> B { step(x).await }
        #[function(memroy = 1)]
        async fn step(x: B) -> B { x }
    });
    assert_eq!(errors(&output), 1, "{output}");
    assert_holds(
        &output,
        quote!(
            use a::B;
        ),
    );
    assert_holds(
        &output,
        quote!(
            async fn run(x: B) -> B {
                step(x).await
            }
        ),
    );
    assert_holds(
        &output,
        quote!(
            async fn step(x: B) -> B {
                x
            }
        ),
    );
    assert!(output.contains("type Run = "), "{output}");
}

#[test]
fn half_typed_bodies_are_emitted_and_left_to_rustc() {
    let output = expand(quote! {
        const AWS: Cloud = Cloud::aws("r");
        #[workflow]
        pub async fn run(x: u32) -> u32 { let y = step(x). }
        #[function]
        async fn step(x: u32) -> u32 { let y = x. }
    });
    assert_eq!(errors(&output), 0, "{output}");
    assert_holds(&output, quote!(pub async fn run(x: u32) -> u32 { let y = step(x). }));
    assert_holds(&output, quote!(async fn step(x: u32) -> u32 { let y = x. }));
    assert_holds(
        &output,
        quote!(
            pub struct Run {}
        ),
    );
}

#[test]
fn a_half_typed_function_body_does_not_hinder_the_workflow() {
    let mut diagnostics = Diagnostics::new();
    let source = parse::parse(
        quote! {
            const AWS: Cloud = Cloud::aws("r");
            #[workflow]
            async fn run(x: u32) -> u32 { step(x).await }
            #[function]
            async fn step(x: u32) -> u32 { let y = x. }
        },
        &mut diagnostics,
    );
    validate::validate(&source, &mut diagnostics);
    assert!(diagnostics.is_empty());
    assert!(resolve::resolve(&source).is_some());
}

#[test]
fn a_half_typed_signature_takes_no_other_item_with_it() {
    let output = expand(quote! {
        const AWS: Cloud = Cloud::aws("r");
        #[function(on = AWS)]
        async fn step(x: u32) -> u32 { x }
        #[workflow]
        async fn run(x:) -> u32 { step(x).await }
        const ALI: Cloud = Cloud::
        #[function(on = ALI)]
        async fn
    });
    assert_eq!(errors(&output), 0, "{output}");
    assert_holds(
        &output,
        quote!(
            async fn step(x: u32) -> u32 {
                x
            }
        ),
    );
    assert_holds(&output, quote!(as_written! { async fn run(x:) -> u32 { step(x).await } }));
    assert_holds(&output, quote!(as_written! { const ALI: Cloud = Cloud:: }));
    assert_holds(&output, quote!(as_written! { async fn }));
    assert_holds(
        &output,
        quote!(
            struct Run {}
        ),
    );
}

#[test]
fn nonsense_neither_panics_nor_goes_unreported() {
    for text in
        ["", ";", "#[function]", "#[workflow]", "1 + 1", "#![x]", "fn", "const", "pub", "#[workflow] ;"]
    {
        assert!(errors(&expand(text.parse().unwrap())) > 0, "{text}");
        expand_block(text.parse().unwrap(), Form::Module { args: quote!() });
    }
}

#[test]
fn items_from_another_macro_are_seen_through_its_invisible_groups() {
    let hidden = |tokens: TokenStream| {
        proc_macro2::TokenTree::Group(proc_macro2::Group::new(proc_macro2::Delimiter::None, tokens))
    };
    let cloud = hidden(quote!(
        const AWS: Cloud = Cloud::aws("r");
    ));
    let run = hidden(quote!(
        #[workflow]
        async fn run(x: u32) -> u32 {
            step(x).await
        }
    ));
    let vis = hidden(quote!(pub(crate)));
    let output = expand(quote!(#cloud #run #[function] #vis async fn step(x: u32) -> u32 { x }));
    assert_eq!(errors(&output), 0, "{output}");
}
