//! Tokens → items: clouds and functions with their attributes and signatures parsed.
//!
//! Bodies stay groups of tokens, and every item keeps the tokens that are emitted for it, minus
//! our own attributes. Must not check anything but syntax: rules are in `validate`.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprLit, Lit, LitStr, Signature, Token, Type, Visibility,
    parse::{ParseStream, Parser},
};

use crate::{
    attr,
    diagnostics::Diagnostics,
    model::Provider,
    scan::{self, Head, RawItem},
    source::{BrokenItem, BrokenKind, CloudItem, FnItem, Item, OtherItem, Role, Source},
};

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

/// Removes `#[function]` and `#[workflow]` from the item's attributes and parses them. Of one too
/// many the workflow counts: that it is missing would be a second message for one mistake.
fn take_markers(raw: &mut RawItem, diagnostics: &mut Diagnostics) -> Option<(Ident, Role)> {
    let mut taken: Option<(Ident, Role)> = None;
    raw.attributes.retain(|attribute| {
        let Some(marker) = attribute.name().filter(|name| name == "function" || name == "workflow") else {
            return true;
        };
        let again = taken.as_ref().map(|(first, _)| first);
        if let Some(first) = again {
            let rule = if *first == marker {
                format!("`#[{marker}]` is given twice\nhelp: keep one, with all its keys")
            } else {
                "a function is either a `#[function]` or the `#[workflow]`\nhelp: keep one of the two".into()
            };
            diagnostics.error(&marker, rule);
        }
        let counts = again.is_none_or(|first| first == "function" && marker == "workflow");
        let args = arguments(&marker, attribute.content.stream(), diagnostics);
        let role = if marker == "function" {
            Role::Function(Box::new(attr::function(args, diagnostics)))
        } else {
            Role::Workflow(attr::workflow(args, diagnostics))
        };
        if counts {
            taken = Some((marker, role));
        }
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
                attributes: raw.attributes.iter().map(ToTokens::to_token_stream).collect(),
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
    if !matches!(&ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Cloud"))
    {
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
        diagnostics
            .error(value, format!("a cloud is declared with a provider and its region\n{CLOUD_FORMS}"));
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
                format!(
                    "a region is a string literal: the definition is made at compile time\n{CLOUD_FORMS}"
                ),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doc_is_the_first_line_that_says_something() {
        let mut diagnostics = Diagnostics::new();
        let text = "#[function] ///\n/// Splits a clip.\n/// More.\nasync fn split() {}";
        let source = parse(text.parse().unwrap(), &mut diagnostics);
        assert_eq!(source.fns().next().unwrap().doc, "Splits a clip.");
        assert!(diagnostics.is_empty());
    }
}
