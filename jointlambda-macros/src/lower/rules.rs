//! What only this crate can refuse in the body of the workflow function, all errors at once.
//!
//! One small check per forbidden thing; whatever rustc says better is left to rustc, which sees
//! the same body as a plain function. On the way, macros with calls in them are parsed into their
//! arguments, so that later passes see expressions only.

use quote::ToTokens;
use syn::{
    Attribute, Block, Expr, ExprAsync, ExprAwait, ExprCall, ExprClosure, ExprMacro, Item, Local, Stmt, Token,
    visit_mut::{self, VisitMut},
};

use super::constructs::{is_fan_out, is_join};
use crate::{diagnostics::Diagnostics, model::Model, suggest};

mod awaited;
mod lowered;
mod macros;

pub(super) use lowered::{check_borrows, check_items};

/// Checks the body, and parses the macros in it that hold calls.
pub(super) fn check(model: &Model, body: &mut Block, diagnostics: &mut Diagnostics) {
    let mut checker = Checker { model, diagnostics, place: Place::Workflow };
    checker.visit_block_mut(body);
}

/// Where in the workflow function an expression is.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Where calls belong.
    Workflow,
    /// In a closure or an `async` block that is no branch.
    Inside(&'static str),
}

struct Checker<'a> {
    model: &'a Model,
    diagnostics: &'a mut Diagnostics,
    place: Place,
}

impl Checker<'_> {
    fn error(&mut self, at: &impl ToTokens, message: impl AsRef<str>) {
        self.diagnostics.error(at, message.as_ref());
    }

    /// An error about which rustc would have something to say, too.
    fn instead(&mut self, at: &impl ToTokens, message: impl AsRef<str>) {
        self.diagnostics.error_instead_of_rustc(at, message.as_ref());
    }

    fn within(&mut self, place: Place, inner: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.place, place);
        inner(self);
        self.place = before;
    }

    fn function(&self, callee: &Expr) -> Option<usize> {
        let ident = super::path_ident(callee)?;
        self.model.function(ident)
    }

    fn declared(&self) -> String {
        suggest::all_of(self.model.functions.iter().map(|function| &function.ident))
    }

    fn attributes(&mut self, attrs: &[Attribute]) {
        for attr in attrs {
            if attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr") {
                self.error(
                    attr,
                    "the body of a workflow is the same in every build\nhelp: put `#[cfg]` inside a `#[function]`, or choose at run time with `if`",
                );
            }
        }
    }
}

impl VisitMut for Checker<'_> {
    fn visit_stmt_mut(&mut self, stmt: &mut Stmt) {
        // A macro statement is an expression statement to us.
        if let Stmt::Macro(mac) = stmt {
            let expr = Expr::Macro(ExprMacro { attrs: mac.attrs.clone(), mac: mac.mac.clone() });
            *stmt = Stmt::Expr(expr, mac.semi_token);
        }
        if let Stmt::Expr(expr, _) = stmt {
            self.attributes(attributes_of(expr));
        }
        visit_mut::visit_stmt_mut(self, stmt);
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        self.attributes(&local.attrs);
        visit_mut::visit_local_mut(self, local);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        self.parse_macro(expr);
        match expr {
            Expr::Await(awaited) => self.await_expr(awaited),
            Expr::Async(block) => self.async_block(block),
            Expr::Closure(closure) => self.closure(closure),
            Expr::Call(call) => match is_join(call) {
                Some(together) => {
                    if let Place::Inside(place) = self.place {
                        self.error(&call.func, no_calls_in(place));
                    }
                    self.join(call, together);
                }
                None => self.call_expr(call),
            },
            Expr::Match(matched) => {
                self.visit_expr_mut(&mut matched.expr);
                for arm in &mut matched.arms {
                    self.attributes(&arm.attrs);
                    if let syn::Pat::Guard(guard) = &mut arm.pat {
                        self.within(Place::Inside("a match guard"), |this| {
                            this.visit_expr_mut(&mut guard.guard)
                        });
                    }
                    self.visit_expr_mut(&mut arm.body);
                }
            }
            Expr::Unsafe(block) => {
                self.within(Place::Inside("an `unsafe` block"), |this| {
                    this.visit_block_mut(&mut block.block)
                });
            }
            Expr::Const(block) => {
                self.within(Place::Inside("a `const` block"), |this| this.visit_block_mut(&mut block.block));
            }
            Expr::If(branch) => {
                self.chain(&branch.cond);
                visit_mut::visit_expr_mut(self, expr);
            }
            Expr::While(branch) => {
                self.chain(&branch.cond);
                visit_mut::visit_expr_mut(self, expr);
            }
            _ => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

const BLOCK: &str = "an `async` block that is no branch of `join!`";

fn no_calls_in(place: &str) -> String {
    if place == BLOCK {
        return format!(
            "functions cannot be called in {place}\nhelp: write the block inside `join!`, or its calls here, one after another"
        );
    }
    format!(
        "functions cannot be called in {place}\nhelp: call before it, in a `let`; for one branch per element use `fan_out(list, async |item| …)`"
    )
}

impl Checker<'_> {
    fn await_expr(&mut self, awaited: &mut ExprAwait) {
        if let Place::Inside(place) = self.place {
            self.error(&awaited.await_token, no_calls_in(place));
            return;
        }
        self.future(&mut awaited.base);
    }

    fn async_block(&mut self, block: &mut ExprAsync) {
        self.within(Place::Inside(BLOCK), |this| {
            this.visit_block_mut(&mut block.block);
        });
    }

    fn closure(&mut self, closure: &mut ExprClosure) {
        let place =
            if closure.asyncness.is_some() { "an `async` closure outside `fan_out`" } else { "a closure" };
        self.within(Place::Inside(place), |this| this.visit_expr_mut(&mut closure.body));
    }

    /// A call that nothing awaits.
    fn call_expr(&mut self, call: &mut ExprCall) {
        if let (Some(function), Place::Workflow) = (self.function(&call.func), self.place) {
            let name = self.model.functions[function].ident.clone();
            self.error(
                &call.func,
                format!("the call of `{name}` is not awaited\nhelp: write `{name}(…).await`, or run it beside others with `join!`"),
            );
        } else if self.function(&call.func).is_some() {
            if let Place::Inside(place) = self.place {
                self.error(&call.func, no_calls_in(place));
            }
        } else if let Some(each) = is_fan_out(&call.func) {
            let name = each.name();
            self.error(&call.func, format!("`{name}` is not awaited\nhelp: write `{name}(…).await`"));
            return self.fan_out(call, each);
        } else if let Expr::Path(path) = &*call.func {
            let name = path.path.segments.last().map(|s| s.ident.to_string()).unwrap_or_default();
            let path = call.func.clone();
            let known = matches!(&*name, "spawn" | "spawn_blocking" | "spawn_local" | "block_on")
                || (name == "sleep" && path.to_token_stream().to_string().contains("thread"));
            if known && self.refused(&path, &name) {
                return;
            }
        }
        for arg in &mut call.args {
            self.visit_expr_mut(arg);
        }
        if !matches!(&*call.func, Expr::Macro(_)) {
            self.visit_expr_mut(&mut call.func);
        }
    }

    /// `if let … && call().await`: the call would have to come in the middle of the condition.
    fn chain(&mut self, cond: &Expr) {
        let Expr::Binary(binary) = cond else { return };
        if is_let_chain(cond) {
            if let Some(at) = first_await(&binary.right) {
                self.error(
                    &at,
                    "in a chain of `let` conditions only the first can have a call in it\nhelp: nest two `if`s, or call before the `if`, in a `let`",
                );
            }
            self.chain(&binary.left);
        }
    }
}

/// The attributes of a statement.
fn attributes_of(expr: &Expr) -> &[Attribute] {
    match expr {
        Expr::Assign(expr) => &expr.attrs,
        Expr::Await(expr) => &expr.attrs,
        Expr::Binary(expr) => &expr.attrs,
        Expr::Block(expr) => &expr.attrs,
        Expr::Break(expr) => &expr.attrs,
        Expr::Call(expr) => &expr.attrs,
        Expr::ForLoop(expr) => &expr.attrs,
        Expr::If(expr) => &expr.attrs,
        Expr::Loop(expr) => &expr.attrs,
        Expr::Macro(expr) => &expr.attrs,
        Expr::Match(expr) => &expr.attrs,
        Expr::MethodCall(expr) => &expr.attrs,
        Expr::Return(expr) => &expr.attrs,
        Expr::Try(expr) => &expr.attrs,
        Expr::While(expr) => &expr.attrs,
        _ => &[],
    }
}

fn is_let_chain(cond: &Expr) -> bool {
    match cond {
        Expr::Binary(binary) if matches!(binary.op, syn::BinOp::And(_)) => {
            fn has_let(expr: &Expr) -> bool {
                match expr {
                    Expr::Let(_) => true,
                    Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
                    _ => false,
                }
            }
            has_let(cond)
        }
        _ => false,
    }
}

fn first_await(expr: &Expr) -> Option<Token![await]> {
    struct First(Option<Token![await]>);
    impl<'ast> syn::visit::Visit<'ast> for First {
        fn visit_expr_await(&mut self, awaited: &'ast ExprAwait) {
            self.0.get_or_insert(awaited.await_token);
        }
    }
    let mut first = First(None);
    syn::visit::Visit::visit_expr(&mut first, expr);
    first.0
}
