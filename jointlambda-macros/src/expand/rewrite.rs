//! The user's glue, with what leaves it rewritten: `?` and `return` end the branch, jumps of
//! lowered loops go to their states, and macros that were parsed become macros again.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{
    Expr, ExprAsync, ExprClosure, Item, Stmt,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use crate::lower::{JUMP, JumpId};

/// What a piece of glue needs of its surroundings to leave them.
pub(super) trait Exits {
    /// Ends the branch with a value.
    fn give_back(&self, value: TokenStream) -> TokenStream;
    /// Makes a jump.
    fn jump(&self, jump: JumpId) -> TokenStream;
}

/// The glue as it is emitted.
pub(super) fn expr(exits: &dyn Exits, expr: &Expr) -> TokenStream {
    let mut expr = expr.clone();
    Rewriter { exits: Some(exits) }.visit_expr_mut(&mut expr);
    expr.into_token_stream()
}

/// The statement as it is emitted.
pub(super) fn stmt(exits: &dyn Exits, stmt: &Stmt) -> TokenStream {
    let mut stmt = stmt.clone();
    Rewriter { exits: Some(exits) }.visit_stmt_mut(&mut stmt);
    stmt.into_token_stream()
}

/// The pattern as it is emitted, with its guard.
pub(super) fn pat(exits: &dyn Exits, pat: &syn::Pat) -> TokenStream {
    let mut pat = pat.clone();
    Rewriter { exits: Some(exits) }.visit_pat_mut(&mut pat);
    pat.into_token_stream()
}

struct Rewriter<'a> {
    /// `None` inside closures and `async` blocks, which keep their own `?` and `return`.
    exits: Option<&'a dyn Exits>,
}

impl Rewriter<'_> {
    fn sealed(&mut self, inner: impl FnOnce(&mut Self)) {
        let exits = self.exits.take();
        inner(self);
        self.exits = exits;
    }
}

impl VisitMut for Rewriter<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        if let Expr::Call(call) = expr
            && let Expr::Macro(mac) = &*call.func
        {
            let mut mac = mac.clone();
            mac.mac.tokens = call.args.to_token_stream();
            *expr = Expr::Macro(mac);
            return;
        }
        let Some(exits) = self.exits else { return };
        match expr {
            Expr::Try(tried) => {
                let inner = &tried.expr;
                let span = tried.question_token.span();
                let leave = exits.give_back(
                    quote_spanned!(span=> ::jointlambda::private::FromResidual::from_residual(__residual)),
                );
                *expr = Expr::Verbatim(quote_spanned! {span=>
                    match ::jointlambda::private::Try::branch(#inner) {
                        ::core::ops::ControlFlow::Continue(__value) => __value,
                        ::core::ops::ControlFlow::Break(__residual) => { #leave }
                    }
                });
            }
            Expr::Return(returned) => {
                let value =
                    returned.expr.as_ref().map_or_else(|| quote!(()), |value| value.to_token_stream());
                let leave = exits.give_back(value);
                *expr = Expr::Verbatim(quote!({ #leave }));
            }
            Expr::Macro(mac) if mac.mac.path.is_ident(JUMP) => {
                if let Ok(id) =
                    syn::parse2::<syn::LitInt>(mac.mac.tokens.clone()).and_then(|id| id.base10_parse())
                {
                    let jump = exits.jump(id);
                    *expr = Expr::Verbatim(quote!({ #jump }));
                }
            }
            _ => {}
        }
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.sealed(|this| visit_mut::visit_expr_closure_mut(this, closure));
    }

    fn visit_expr_async_mut(&mut self, block: &mut ExprAsync) {
        self.sealed(|this| visit_mut::visit_expr_async_mut(this, block));
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}
