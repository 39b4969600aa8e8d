//! Macros in the body: parsed where their tokens are a list of expressions.

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, ExprCall, ExprMacro, Token, parse::Parser as _, punctuated::Punctuated, spanned::Spanned};

use super::Checker;
use crate::{lower::constructs::join_named, model::Model};

impl Checker<'_> {
    /// A macro in the body, parsed where its tokens are a list of expressions; `matches!` becomes
    /// the `match` that it is. What cannot be parsed is left alone, unless it holds calls or jumps.
    pub(super) fn parse_macro(&mut self, expr: &mut Expr) {
        let Expr::Macro(ExprMacro { mac, attrs }) = expr else { return };
        let name = mac.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
        match name.as_str() {
            "select" => {
                self.instead(&mac.path, "a workflow does not `select!`: every branch that starts ends\nhelp: use `race!` for the first that is `Ok`, or `join!`, and choose with `match` afterwards");
                return;
            }
            "bail" | "ensure" => {
                self.instead(
                    &mac.path,
                    format!(
                        "`{name}!` hides a `return`, which ends the run\nhelp: write `return Err(…)` instead"
                    ),
                );
                return;
            }
            "matches" => {
                if let Ok(matched) = as_match.parse2(mac.tokens.clone()) {
                    *expr = matched;
                    return;
                }
            }
            _ => {}
        }
        let parsed = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(mac.tokens.clone());
        match parsed {
            Ok(args) => {
                let mut bare = mac.clone();
                bare.tokens = TokenStream::new();
                let func = Expr::Macro(ExprMacro { attrs: Vec::new(), mac: bare });
                *expr = Expr::Call(ExprCall {
                    attrs: attrs.clone(),
                    func: Box::new(func),
                    paren_token: syn::token::Paren(mac.path.span()),
                    args,
                });
            }
            Err(_) if join_named(&mac.path).is_some() || has_control(mac.tokens.clone(), self.model) => {
                let path = mac.path.clone();
                self.instead(
                    &path,
                    format!("calls, `?`, `return` and `break` inside `{name}!` cannot be followed\nhelp: put the value in a `let` before the macro"),
                );
            }
            Err(_) => {}
        }
    }
}

/// `matches!(EXPR, PATTERN [if GUARD] [,])` as a `match`.
fn as_match(input: syn::parse::ParseStream<'_>) -> syn::Result<Expr> {
    let scrutinee: Expr = input.parse()?;
    input.parse::<Token![,]>()?;
    let pattern = syn::Pat::parse_multi_with_leading_vert(input)?;
    let guard = input.parse::<Option<Token![if]>>()?.map(|_| input.parse::<Expr>()).transpose()?;
    input.parse::<Option<Token![,]>>()?;
    let guard = guard.map(|guard| quote::quote!(if #guard));
    syn::parse2(quote::quote!(match #scrutinee { #pattern #guard => true, _ => false }))
}

/// Whether tokens hold something that leaves the glue.
fn has_control(tokens: TokenStream, model: &Model) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            ["await", "return", "break", "continue"].contains(&&*ident.to_string())
                || model.function(&ident).is_some()
        }
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Group(group) => has_control(group.stream(), model),
        // `{:?}` is in a literal.
        TokenTree::Literal(_) => false,
    })
}
