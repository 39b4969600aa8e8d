//! What a workflow waits for: calls of its functions, fan-outs, `join!` and the like.

use quote::ToTokens;
use syn::{Expr, ExprCall, visit_mut::VisitMut as _};

use super::Checker;
use crate::{
    lower::{
        constructs::{FanOut, Join, MAX_FIRST, is_fan_out, join_named},
        unwrapped,
    },
    model::Function,
    suggest,
};

impl Checker<'_> {
    /// What is awaited, or stands as a branch of `join!`.
    pub(super) fn future(&mut self, base: &mut Expr) {
        let expr = match base {
            Expr::Paren(paren) => return self.future(&mut paren.expr),
            Expr::Group(group) => return self.future(&mut group.expr),
            other => other,
        };
        let Expr::Call(call) = expr else {
            self.not_a_call(expr);
            return;
        };
        if let Some(function) = self.function(&call.func) {
            let function = &self.model.functions[function];
            if call.args.len() != function.params.len() {
                self.wrong_count(call, function);
            }
            for arg in &mut call.args {
                self.visit_expr_mut(arg);
            }
        } else if let Some(each) = is_fan_out(&call.func) {
            self.fan_out(call, each);
        } else {
            self.not_declared(call);
        }
    }

    fn wrong_count(&mut self, call: &ExprCall, function: &Function) {
        if function.placement.batch.is_none() {
            return self.diagnostics.leave_to_rustc();
        }
        let (name, ty) = (&function.ident, function.params[0].ty.to_token_stream());
        self.instead(
            &call.func,
            format!(
                "`{name}` gathers a batch, and is called with one value of it, not {}\nhelp: write `{name}(value).await` with a `{ty}`",
                call.args.len()
            ),
        );
    }

    fn not_a_call(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Macro(mac) if join_named(&mac.mac.path).is_some() => {
                let name = mac.mac.path.to_token_stream();
                self.instead(expr, format!("`{name}!` waits by itself\nhelp: remove the `.await`"));
            }
            Expr::Macro(_) => self.visit_expr_mut(expr),
            Expr::Async(_) => self.error(
                &expr,
                "an `async` block is a branch only inside `join!`, `try_join!` or `race!`\nhelp: write its calls here, one after another",
            ),
            Expr::MethodCall(call) => {
                let method = call.method.clone();
                self.error(
                    &method,
                    format!(
                        "a workflow waits for its functions only, not for a method\nhelp: move the call of `{method}` into a `#[function]` and call that"
                    ),
                );
            }
            _ => {
                let declared = self.declared();
                self.error(
                    &expr,
                    format!(
                        "a workflow waits for its functions only, called where they are awaited\nhelp: write `name(…).await` with one of {declared}, or `fan_out(…).await`"
                    ),
                );
            }
        }
    }

    fn not_declared(&mut self, call: &mut ExprCall) {
        let callee = call.func.to_token_stream().to_string().replace(' ', "");
        let name = callee.rsplit("::").next().unwrap_or(&callee).to_owned();
        if self.refused(&call.func.clone(), &name) {
            return;
        }
        if self.model.workflow.ident == callee {
            self.instead(
                &call.func,
                "a workflow does not call itself\nhelp: use `loop`, `while` or `for` around its calls",
            );
            return;
        }
        let declared = self.declared();
        let guess = suggest::did_you_mean(&name, self.model.functions.iter().map(|f| &f.ident));
        let fix = if guess.is_empty() {
            format!("declare `async fn {name}` in this block with `#[function]`, or call one of {declared}")
        } else {
            format!("{guess}the declared functions are {declared}")
        };
        self.error(&call.func, format!("`{name}` is not a function of this workflow\nhelp: {fix}"));
    }

    /// The constructs that the language does not have; whether an error was reported.
    pub(super) fn refused(&mut self, at: &Expr, name: &str) -> bool {
        let message = match name {
            "spawn" | "spawn_blocking" | "spawn_local" => {
                "a workflow does not spawn\nhelp: run branches with `join!` or `fan_out`; spawn inside a `#[function]` if you must"
            }
            "block_on" => {
                "the code between calls does not wait\nhelp: move what waits into a `#[function]` and `.await` it"
            }
            "sleep" | "sleep_until" | "sleep_ms" => {
                "`sleep` between calls is not supported yet\nhelp: wait inside a `#[function]`, within its timeout"
            }
            _ => return false,
        };
        self.error(at, message);
        true
    }

    pub(super) fn fan_out(&mut self, call: &mut ExprCall, each: FanOut) {
        let name = each.name();
        let (expected, takes, example) = each.takes();
        let count = call.args.len();
        if count != expected {
            self.instead(
                &call.func,
                format!(
                    "`{name}` takes {takes}, not {count} argument{}\nhelp: write `{name}({example}).await`",
                    if count == 1 { "" } else { "s" }
                ),
            );
            return;
        }
        for arg in call.args.iter_mut().take(expected - 1) {
            self.visit_expr_mut(arg);
        }
        if each == FanOut::FirstOk {
            self.first(&call.args[0].clone());
        }
        match &mut call.args[expected - 1] {
            Expr::Closure(closure) if closure.asyncness.is_some() => {
                if closure.inputs.len() != 1 {
                    self.instead(
                        closure,
                        format!("a branch of `{name}` takes one element\nhelp: write `async |item| …`; destructure with `async |(a, b)| …`"),
                    );
                }
                self.visit_expr_mut(&mut closure.body);
            }
            Expr::Closure(closure) => {
                let at = closure.inputs_begin;
                self.instead(
                    &at,
                    format!("a branch of `{name}` is an `async` closure\nhelp: write `async |item| …`"),
                );
            }
            other => {
                let other = other.clone();
                self.error(
                    &other,
                    format!("a branch of `{name}` is written in place\nhelp: write `async |item| …` with the calls in it"),
                );
            }
        }
    }

    /// The number of branches that `first_ok` waits for.
    fn first(&mut self, first: &Expr) {
        let Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(number), .. }) = unwrapped(first) else { return };
        if number.base10_parse::<usize>().is_ok_and(|number| number > MAX_FIRST) {
            self.error(
                number,
                format!("`first_ok` has at most {MAX_FIRST} branches, and cannot wait for {number}\nhelp: use `try_fan_out` to wait for all of many branches"),
            );
        }
    }

    /// A call of `join!`, `try_join!` or `race!`, parsed.
    pub(super) fn join(&mut self, call: &mut ExprCall, together: Join) {
        let (names, name, more) = match together {
            Join::All | Join::Try => ("`join!` and `try_join!` take", "join!", "fan_out"),
            Join::Race => ("`race!` takes", "race!", "first_ok"),
        };
        let count = call.args.len();
        if count == 0 || count > 12 {
            self.instead(
                &call.func,
                format!("{names} 1 to 12 branches, not {count}\nhelp: for more, use `{more}` over a list"),
            );
        }
        for branch in &mut call.args {
            match branch {
                Expr::Async(block) => self.visit_block_mut(&mut block.block),
                Expr::Await(awaited) => {
                    let at = awaited.await_token;
                    self.instead(
                        &at,
                        format!("a branch of `{name}` is not awaited by itself\nhelp: remove the `.await`"),
                    );
                }
                Expr::Call(inner)
                    if self.function(&inner.func).is_some() || is_fan_out(&inner.func).is_some() =>
                {
                    self.future(branch);
                }
                other => {
                    let other = other.clone();
                    self.instead(&other, format!("a branch of `{name}` is a call of a function or an `async` block\nhelp: write `async {{ … }}` around it"));
                }
            }
        }
    }
}
