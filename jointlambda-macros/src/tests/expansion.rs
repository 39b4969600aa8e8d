//! The main shapes as they are expanded: `tests/expand/*.rs` in, `tests/expand/*.snap` out.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;

use crate::{Form, expand_block, scan};

const SHAPES: &[(&str, &str)] = &[
    ("sequence", include_str!("../../tests/expand/sequence.rs")),
    ("early_return", include_str!("../../tests/expand/early_return.rs")),
    ("map", include_str!("../../tests/expand/map.rs")),
    ("borrowed_map", include_str!("../../tests/expand/borrowed_map.rs")),
    ("join", include_str!("../../tests/expand/join.rs")),
    ("first", include_str!("../../tests/expand/first.rs")),
    ("choice", include_str!("../../tests/expand/choice.rs")),
    ("looped", include_str!("../../tests/expand/looped.rs")),
];

/// Beside the others: the workflow function that calls a batch function is not emitted as written.
const BATCH: (&str, &str) = ("batch", include_str!("../../tests/expand/batch.rs"));

/// What is generated besides the user's items.
fn generated(input: &str) -> String {
    let input: TokenStream = input.parse().unwrap();
    let own = syn::parse2::<syn::File>(input.clone()).unwrap().items.len();
    let mut file = syn::parse2::<syn::File>(expand_block(input, Form::Items)).unwrap();
    file.items.drain(..own);
    prettyplease::unparse(&file)
}

#[test]
fn shapes_expand_to_data_and_a_few_lines_per_function() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../tests/expand");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, input) in SHAPES.iter().chain([&BATCH]) {
            insta::assert_snapshot!(*name, generated(input));
        }
    });
}

#[test]
fn shapes_expand_the_same_every_time() {
    for (name, input) in SHAPES {
        assert_eq!(generated(input), generated(input), "{name}");
    }
}

/// Every input that is `tokens` cut off at one token, groups closed.
fn cut(tokens: &[TokenTree]) -> Vec<TokenStream> {
    let mut all = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let before: TokenStream = tokens[..i].iter().cloned().collect();
        all.push(before.clone());
        if let TokenTree::Group(group) = token {
            for inner in cut(&group.stream().into_iter().collect::<Vec<_>>()) {
                all.push(before.clone().into_iter().chain([regrouped(group.delimiter(), inner)]).collect());
            }
        }
    }
    all
}

/// Every input that is `tokens` without one token.
fn without_one(tokens: &[TokenTree]) -> Vec<TokenStream> {
    let mut all = Vec::new();
    for (i, token) in tokens.iter().enumerate() {
        let with = |token: Option<TokenTree>| -> TokenStream {
            tokens[..i].iter().cloned().chain(token).chain(tokens[i + 1..].iter().cloned()).collect()
        };
        all.push(with(None));
        if let TokenTree::Group(group) = token {
            for inner in without_one(&group.stream().into_iter().collect::<Vec<_>>()) {
                all.push(with(Some(regrouped(group.delimiter(), inner))));
            }
        }
    }
    all
}

fn regrouped(delimiter: Delimiter, inner: TokenStream) -> TokenTree {
    TokenTree::Group(Group::new(delimiter, inner))
}

/// Broken input must not panic, and what is whole in it must be emitted.
fn assert_holds_what_is_whole(input: TokenStream) {
    let output = expand_block(input.clone(), Form::Items).to_string();
    for item in scan::split(input) {
        let tokens: TokenStream = item.rest.iter().cloned().collect();
        let whole = syn::parse2::<syn::Item>(tokens.clone());
        if matches!(whole, Ok(syn::Item::Fn(ref function)) if function.sig.asyncness.is_some()) {
            assert!(output.contains(&tokens.to_token_stream().to_string()), "{tokens}\nis not in\n{output}");
        }
    }
}

#[test]
fn input_that_is_cut_off_anywhere_keeps_what_is_whole() {
    for (_, input) in SHAPES {
        let tokens: Vec<TokenTree> = input.parse::<TokenStream>().unwrap().into_iter().collect();
        cut(&tokens).into_iter().for_each(assert_holds_what_is_whole);
    }
}

#[test]
fn input_without_any_one_token_keeps_what_is_whole() {
    for (_, input) in SHAPES {
        let tokens: Vec<TokenTree> = input.parse::<TokenStream>().unwrap().into_iter().collect();
        without_one(&tokens).into_iter().for_each(assert_holds_what_is_whole);
    }
}
