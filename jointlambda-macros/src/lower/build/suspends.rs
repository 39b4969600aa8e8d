//! Which expressions have calls in them, and which jumps leave glue for a lowered loop.

use syn::{
    Expr, ExprAsync, ExprAwait, ExprCall, ExprClosure, Item, Label,
    visit::{self, Visit},
    visit_mut::{self, VisitMut},
};

use super::Builder;
use crate::lower::constructs::is_join;

/// Whether a call, or a construct that becomes calls, is in the expression.
pub(super) fn suspends(expr: &Expr) -> bool {
    let mut finder = Finder(false);
    finder.visit_expr(expr);
    finder.0
}

struct Finder(bool);

impl<'ast> Visit<'ast> for Finder {
    fn visit_expr_await(&mut self, _: &'ast ExprAwait) {
        self.0 = true;
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if is_join(call).is_some() {
            self.0 = true;
        } else {
            visit::visit_expr_call(self, call);
        }
    }

    fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
    fn visit_item(&mut self, _: &'ast Item) {}
}

/// Replaces the jumps in glue whose loop has become states by marks.
pub(super) struct JumpMarker<'a, 'b> {
    pub(super) builder: &'a mut Builder<'b>,
    /// The loops (true) and labelled blocks (false) of the glue itself, innermost last.
    pub(super) inner: Vec<(bool, Option<String>)>,
}

impl JumpMarker<'_, '_> {
    fn inside(&mut self, is_loop: bool, label: &Option<Label>, visit: impl FnOnce(&mut Self)) {
        let label = label.as_ref().map(|label| label.name.ident.to_string());
        self.inner.push((is_loop, label));
        visit(self);
        self.inner.pop();
    }

    /// Whether the jump stays inside the glue.
    fn stays(&self, label: Option<&syn::Lifetime>) -> bool {
        self.inner.iter().any(|(is_loop, name)| match label {
            Some(label) => name.as_deref() == Some(&*label.ident.to_string()),
            None => *is_loop,
        })
    }
}

impl VisitMut for JumpMarker<'_, '_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Break(jump) => {
                if let Some(value) = &mut jump.expr {
                    self.visit_expr_mut(value);
                }
                if self.stays(jump.label.as_ref()) {
                    return;
                }
                if let Some((at, target)) = self.builder.jump_of_break(jump) {
                    self.builder.loops[at].exit_used = true;
                    let value = jump.expr.take().map(|value| *value);
                    *expr = match (self.builder.loops[at].value, value) {
                        (Some(var), value) => {
                            let value = value.unwrap_or_else(|| syn::parse_quote!(()));
                            self.builder.mark(target, Some((var, value)))
                        }
                        // Nobody wants the value, but it may do something.
                        (None, Some(effect)) => {
                            let mark = self.builder.mark(target, None);
                            let mut block: syn::ExprBlock = syn::parse_quote!({ #effect; });
                            block.block.stmts.push(syn::Stmt::Expr(mark, None));
                            Expr::Block(block)
                        }
                        (None, None) => self.builder.mark(target, None),
                    };
                }
            }
            Expr::Continue(jump) => {
                if !self.stays(jump.label.as_ref())
                    && let Some(at) = self.builder.find_loop(jump.label.as_ref())
                {
                    let target = self.builder.next_turn(at);
                    *expr = self.builder.mark(target, None);
                }
            }
            Expr::Loop(inner) => {
                let label = inner.label.clone();
                self.inside(true, &label, |this| this.visit_block_mut(&mut inner.body));
            }
            Expr::While(inner) => {
                let label = inner.label.clone();
                self.inside(true, &label, |this| {
                    this.visit_expr_mut(&mut inner.cond);
                    this.visit_block_mut(&mut inner.body);
                });
            }
            Expr::ForLoop(inner) => {
                self.visit_expr_mut(&mut inner.expr);
                let label = inner.label.clone();
                self.inside(true, &label, |this| this.visit_block_mut(&mut inner.body));
            }
            Expr::Block(inner) if inner.label.is_some() => {
                let label = inner.label.clone();
                self.inside(false, &label, |this| this.visit_block_mut(&mut inner.block));
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}
    fn visit_item_mut(&mut self, _: &mut Item) {}
}
