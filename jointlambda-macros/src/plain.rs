//! Calls of batch functions in the workflow function as it is emitted: `f(t)`, where `f` takes a
//! `Vec`, becomes a call with a `Vec` of one. All else stays as written, token for token.
//!
//! Works on tokens, so that calls inside `join!` and other macros are found too, and spans are kept.
//! Must not report.

use std::collections::HashSet;

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote_spanned;

use crate::source::{Item, Role, Source};

/// Rewrites what is emitted for the workflow function.
pub(crate) fn call_batches_with_one(source: &mut Source) {
    let batches = source.functions().filter(|(_, args)| args.batch.is_some());
    let batches: HashSet<String> = batches.map(|(item, _)| item.sig.ident.to_string()).collect();
    if batches.is_empty() {
        return;
    }
    for item in &mut source.items {
        if let Item::Function(item) = item
            && let Role::Workflow(_) = item.role
        {
            let mut tokens: Vec<TokenTree> = std::mem::take(&mut item.tokens).into_iter().collect();
            if let Some(TokenTree::Group(body)) = tokens.last_mut() {
                *body = regrouped(body, &batches);
            }
            item.tokens = tokens.into_iter().collect();
        }
    }
}

fn regrouped(group: &Group, batches: &HashSet<String>) -> Group {
    let mut new = Group::new(group.delimiter(), rewritten(group.stream(), batches));
    new.set_span(group.span());
    new
}

fn rewritten(tokens: TokenStream, batches: &HashSet<String>) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out = TokenStream::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(name) if is_call(&tokens, at, name, batches) => {
                let text = name.to_string();
                out.extend(quote_spanned! {name.span()=>
                    ::jointlambda::private::one_of_batch(#text, #name).call
                });
            }
            TokenTree::Group(group) => out.extend([TokenTree::Group(regrouped(group, batches))]),
            other => out.extend([other.clone()]),
        }
    }
    out
}

/// Whether the name at `at` is a batch function that is called there: as in `lower`, by its bare
/// name.
fn is_call(tokens: &[TokenTree], at: usize, name: &Ident, batches: &HashSet<String>) -> bool {
    let called = matches!(
        tokens.get(at + 1),
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis
    );
    let bare = match at.checked_sub(1).map(|before| &tokens[before]) {
        Some(TokenTree::Punct(punct)) if punct.as_char() == '.' => is_range(tokens, at - 1),
        Some(TokenTree::Punct(punct)) => punct.as_char() != ':' || !is_path(tokens, at - 1),
        Some(TokenTree::Ident(word)) => word != "fn",
        _ => true,
    };
    called && bare && batches.contains(&name.to_string())
}

/// Whether the `.` at `at` ends `..`.
fn is_range(tokens: &[TokenTree], at: usize) -> bool {
    at > 0 && matches!(&tokens[at - 1], TokenTree::Punct(punct) if punct.as_char() == '.')
}

/// Whether the `:` at `at` ends `::`.
fn is_path(tokens: &[TokenTree], at: usize) -> bool {
    at > 0 && matches!(&tokens[at - 1], TokenTree::Punct(punct) if punct.as_char() == ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_by_the_bare_name_are_rewritten() {
        let batches = HashSet::from(["f".to_owned()]);
        let rewritten = |text: &str| rewritten(text.parse().unwrap(), &batches).to_string();
        let call = ":: jointlambda :: private :: one_of_batch (\"f\" , f) . call";
        for (written, calls) in [
            ("f(x).await", 1),
            ("join!(f(f(x).await), g(x))", 2),
            ("S { a: f(x).await }", 1),
            ("0..f(x).await", 1),
            ("x.f(y); m::f(y); f!(y); f; fn f(x: u8) {}", 0),
        ] {
            assert_eq!(rewritten(written).matches(call).count(), calls, "{written}");
        }
    }
}
