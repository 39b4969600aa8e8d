//! Finds where items begin and end, without parsing them.
//!
//! Bodies may be half typed, so nothing here looks into a group. A cut in the wrong place between
//! two items that pass through is harmless: they are emitted one after the other, token for token.
//! Must not drop, add or reorder a token.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;

/// An item as written: its outer attributes, and everything after them.
pub(crate) struct RawItem {
    pub(crate) attributes: Vec<RawAttribute>,
    pub(crate) rest: Vec<TokenTree>,
}

/// `#[…]`.
pub(crate) struct RawAttribute {
    pound: TokenTree,
    pub(crate) content: Group,
}

/// What an item is, as far as the workflow language cares.
pub(crate) enum Head<'a> {
    /// `[const] [async] [unsafe] [extern "…"] fn name`.
    Fn { is_async: bool, ident: Option<&'a Ident> },
    /// `const NAME`.
    Const,
    /// `struct`, `enum`, `union`, `type` or `trait`, with its name.
    Type { ident: &'a Ident },
    /// Anything else.
    Other,
}

impl ToTokens for RawAttribute {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.pound.to_tokens(tokens);
        self.content.to_tokens(tokens);
    }
}

impl ToTokens for RawItem {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.attributes.iter().map(ToTokens::to_token_stream));
        tokens.extend(self.rest.iter().cloned());
    }
}

impl RawAttribute {
    /// The attribute's name when it is a single word: `doc`, `cfg`, `function` …
    pub(crate) fn name(&self) -> Option<Ident> {
        match self.content.stream().into_iter().next() {
            Some(TokenTree::Ident(ident)) => Some(ident),
            _ => None,
        }
    }
}

impl RawItem {
    pub(crate) fn head(&self) -> Head<'_> {
        let rest = after_visibility(&self.rest);
        let mut is_async = false;
        for (at, token) in rest.iter().enumerate() {
            match token {
                TokenTree::Ident(word) if word == "fn" => {
                    return Head::Fn { is_async, ident: rest.get(at + 1).and_then(ident) };
                }
                TokenTree::Ident(word) if word == "async" => is_async = true,
                TokenTree::Ident(word) if word == "const" || word == "unsafe" || word == "extern" => {}
                TokenTree::Literal(_) => {}
                _ => break,
            }
        }
        match rest {
            [TokenTree::Ident(word), TokenTree::Ident(_), ..] if word == "const" => Head::Const,
            [TokenTree::Ident(word), TokenTree::Ident(ident), ..] if is_type_keyword(word) => {
                Head::Type { ident }
            }
            _ => Head::Other,
        }
    }
}

/// Splits the content of a `workflow!` into items, in source order.
pub(crate) fn split(tokens: TokenStream) -> Vec<RawItem> {
    let mut tokens = tokens.into_iter().collect::<Vec<_>>();
    let mut items = Vec::new();
    while !tokens.is_empty() {
        let mut attributes = Vec::new();
        loop {
            open_invisible_group(&mut tokens);
            match tokens.as_slice() {
                [pound, TokenTree::Group(content), ..] if is_attribute(pound, content) => {
                    attributes.push(RawAttribute { pound: pound.clone(), content: content.clone() });
                    tokens.drain(..2);
                }
                _ => break,
            }
        }
        let rest = tokens.drain(..length(&tokens)).collect();
        items.push(RawItem { attributes, rest });
    }
    items
}

/// A `mod name { … }`: what comes before the braces, and the braces.
pub(crate) fn module(item: &TokenStream) -> Option<(TokenStream, Group)> {
    let [module] = split(item.clone()).try_into().ok()?;
    let RawItem { attributes, mut rest } = module;
    let is_module = matches!(after_visibility(&rest), [TokenTree::Ident(word), ..] if word == "mod");
    match rest.pop()? {
        TokenTree::Group(content) if is_module && content.delimiter() == Delimiter::Brace => {
            Some((RawItem { attributes, rest }.to_token_stream(), content))
        }
        _ => None,
    }
}

/// Items that come from a `macro_rules!` fragment (`$item`, `$vis`) sit in an invisible group.
fn open_invisible_group(tokens: &mut Vec<TokenTree>) {
    while let Some(TokenTree::Group(group)) = tokens.first()
        && group.delimiter() == Delimiter::None
    {
        let content = group.stream();
        tokens.splice(..1, content);
    }
}

/// The number of tokens of the first item, its attributes already taken.
fn length(tokens: &[TokenTree]) -> usize {
    if let [TokenTree::Punct(pound), TokenTree::Punct(bang), TokenTree::Group(_), ..] = tokens
        && pound.as_char() == '#'
        && bang.as_char() == '!'
    {
        return 3;
    }
    let ends_at_brace = !is_ended_by_semicolon(after_visibility(tokens));
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
            // An item whose end is not typed yet stops where the next one's attributes begin.
            TokenTree::Punct(_) if at > 0 => {
                if let Some(TokenTree::Group(content)) = next
                    && is_attribute(token, content)
                {
                    return at;
                }
            }
            // `{ N }` in `Matrix<{ N }>` ends nothing.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && ends_at_brace => {
                let goes_on = matches!(next, Some(TokenTree::Punct(p)) if matches!(p.as_char(), '>' | ','));
                if !goes_on {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

fn is_ended_by_semicolon(rest: &[TokenTree]) -> bool {
    match rest {
        [TokenTree::Ident(first), TokenTree::Ident(second), ..] if first == "const" => {
            second != "fn" && second != "async" && second != "unsafe" && second != "extern"
        }
        [TokenTree::Ident(first), ..] => first == "use" || first == "type" || first == "static",
        _ => false,
    }
}

fn is_attribute(pound: &TokenTree, content: &Group) -> bool {
    matches!(pound, TokenTree::Punct(p) if p.as_char() == '#') && content.delimiter() == Delimiter::Bracket
}

fn is_type_keyword(word: &Ident) -> bool {
    ["struct", "enum", "union", "type", "trait"].iter().any(|keyword| word == keyword)
}

fn after_visibility(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [TokenTree::Ident(word), TokenTree::Group(group), rest @ ..]
            if word == "pub" && group.delimiter() == Delimiter::Parenthesis =>
        {
            rest
        }
        [TokenTree::Ident(word), rest @ ..] if word == "pub" => rest,
        _ => tokens,
    }
}

fn ident(token: &TokenTree) -> Option<&Ident> {
    match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<String> {
        split(text.parse().unwrap()).iter().map(|item| item.to_token_stream().to_string()).collect()
    }

    #[test]
    fn items_end_at_braces_and_semicolons() {
        let items = items(
            "use a::{b, c}; #[derive(Debug)] struct S; struct T { x: u8 } const N: u8 = { 3 }; \
             pub(crate) async fn f(x: u8) -> u8 { x } impl M<{ 3 }> for S {} go!(); macro_rules! m { () => {} }",
        );
        assert_eq!(items.len(), 8, "{items:#?}");
    }

    #[test]
    fn an_unfinished_item_does_not_swallow_the_next() {
        let items =
            items("#![allow(x)] const AWS: Cloud = Cloud:: #[workflow] async fn f() {} #[function] async fn");
        assert_eq!(items.len(), 4, "{items:#?}");
    }

    #[test]
    fn no_token_is_lost_or_moved() {
        let text = "#![allow(x)] # [a] use a :: b ; , + 1 fn f () { let x = foo . } ; ; # [b]";
        let tokens: TokenStream = text.parse().unwrap();
        let back: TokenStream = split(tokens.clone()).iter().map(ToTokens::to_token_stream).collect();
        assert_eq!(back.to_string(), tokens.to_string());
    }
}
