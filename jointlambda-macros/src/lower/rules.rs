//! What only this crate can refuse in the body of the workflow function, all errors at once.
//!
//! One small check per forbidden thing; whatever rustc says better is left to rustc, which sees
//! the same body as a plain function. On the way, macros with calls in them are parsed into their
//! arguments, so that later passes see expressions only.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, Block, Expr, ExprAsync, ExprAwait, ExprCall, ExprClosure, ExprMacro, Item, Local, Stmt, Token,
    parse::Parser as _,
    punctuated::Punctuated,
    spanned::Spanned,
    visit_mut::{self, VisitMut},
};

use super::{
    Lowered, Op, Over, Var, VarSet,
    mentions::{Names, targets},
    unwrapped,
};
use crate::{
    diagnostics::Diagnostics,
    model::{Function, Model},
    suggest,
};

/// Checks the body, and parses the macros in it that hold calls.
pub(super) fn check(model: &Model, body: &mut Block, diagnostics: &mut Diagnostics) {
    let mut checker = Checker { model, diagnostics, place: Place::Workflow };
    checker.visit_block_mut(body);
}

/// A fan-out over a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FanOut {
    All,
    Try,
    FirstOk,
}

impl FanOut {
    fn name(self) -> &'static str {
        match self {
            FanOut::All => "fan_out",
            FanOut::Try => "try_fan_out",
            FanOut::FirstOk => "first_ok",
        }
    }

    /// What it takes, and how it is written.
    fn takes(self) -> (usize, &'static str, &'static str) {
        match self {
            FanOut::All | FanOut::Try => (2, "a list and an `async` closure", "list, async |item| …"),
            FanOut::FirstOk => (3, "a number, a list and an `async` closure", "number, list, async |item| …"),
        }
    }
}

/// A fan-out into unlike branches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    All,
    Try,
    Race,
}

/// The most branches of a fan-in that does not wait for all of them: they share one row.
const MAX_FIRST: usize = 128;

/// The name of a construct that is called and awaited.
pub(super) fn is_fan_out(expr: &Expr) -> Option<FanOut> {
    let Expr::Path(path) = unwrapped(expr) else { return None };
    match path.path.segments.last()?.ident.to_string().as_str() {
        "fan_out" => Some(FanOut::All),
        "try_fan_out" => Some(FanOut::Try),
        "first_ok" => Some(FanOut::FirstOk),
        _ => None,
    }
}

/// `join!` and the like, parsed: a call whose function is the bare macro.
pub(super) fn is_join(call: &ExprCall) -> Option<Join> {
    let Expr::Macro(ExprMacro { mac, .. }) = &*call.func else { return None };
    join_named(&mac.path)
}

fn join_named(path: &syn::Path) -> Option<Join> {
    match path.segments.last()?.ident.to_string().as_str() {
        "join" => Some(Join::All),
        "try_join" => Some(Join::Try),
        "race" => Some(Join::Race),
        _ => None,
    }
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

    /// What is awaited, or stands as a branch of `join!`.
    fn future(&mut self, base: &mut Expr) {
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
    fn refused(&mut self, at: &Expr, name: &str) -> bool {
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

    fn fan_out(&mut self, call: &mut ExprCall, each: FanOut) {
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
    fn join(&mut self, call: &mut ExprCall, together: Join) {
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

    /// A macro in the body, parsed where its tokens are a list of expressions; `matches!` becomes
    /// the `match` that it is. What cannot be parsed is left alone, unless it holds calls or jumps.
    fn parse_macro(&mut self, expr: &mut Expr) {
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

/// What needs liveness: borrows that would travel, and branches that change what is outside.
pub(super) fn check_borrows(lowered: &Lowered, diagnostics: &mut Diagnostics) {
    let mut travels = VarSet::new();
    for state in lowered.order.iter().map(|&id| &lowered.states[id]) {
        travels.extend(state.live_in.iter().copied());
    }
    for &id in &travels {
        let Var { ident, borrows, user, .. } = &lowered.vars[id];
        if let (true, Some(name)) = (*borrows, user) {
            diagnostics.error(
                ident,
                format!("`{name}` borrows, and would live across a call: a borrow cannot travel\nhelp: make it owned (`.clone()`, `.to_owned()`), or use it before the next call only"),
            );
        }
    }
    let names = &lowered.names;
    for seq in &lowered.seqs {
        for op in &seq.ops {
            for ident in changes_of(names, op) {
                let var = names.find(&ident.to_string()).map(|id| &lowered.vars[id]);
                if let Some(Var { region, user: Some(name), .. }) = var
                    && *region != seq.region
                {
                    diagnostics.error_instead_of_rustc(
                        &ident,
                        format!("a branch cannot change `{name}`, which is declared outside of it: each branch runs on its own\nhelp: return the value from the branch, and combine after the join"),
                    );
                }
            }
        }
    }
}

/// Two items of one name in different blocks would meet in the generated function.
pub(super) fn check_items(lowered: &Lowered, diagnostics: &mut Diagnostics) {
    let mut seen = Vec::new();
    for item in &lowered.items {
        let Some(ident) = item_name(item) else { continue };
        if seen.contains(&ident) {
            diagnostics.error(
                ident,
                format!("`{ident}` is declared in two blocks of the workflow function\nhelp: rename one, or move them out of the function"),
            );
        }
        seen.push(ident);
    }
}

fn item_name(item: &Item) -> Option<&Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Static(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Mod(item) => Some(&item.ident),
        _ => None,
    }
}

fn changes_of(names: &Names, op: &Op) -> Vec<Ident> {
    use syn::visit::Visit;
    Changes::of(names, |changes| {
        changes.methods = true;
        match op {
            Op::Glue(stmt) => changes.visit_stmt(stmt),
            Op::Return(expr) | Op::If { cond: expr, .. } | Op::Match { scrutinee: expr, .. } => {
                changes.visit_expr(expr);
            }
            Op::Call { args, .. } => args.iter().for_each(|arg| changes.visit_expr(arg)),
            Op::Fork { over: Over::Items { items, .. }, .. } => changes.visit_expr(items),
            _ => {}
        }
    })
}

/// The variables that a piece of glue visibly changes.
pub(super) struct Changes<'a> {
    names: &'a Names,
    found: Vec<Ident>,
    /// Whether methods of `std` that are known to change their receiver count.
    methods: bool,
}

const CHANGING: &[&str] = &[
    "append",
    "clear",
    "dedup",
    "drain",
    "entry",
    "extend",
    "get_mut",
    "insert",
    "insert_str",
    "iter_mut",
    "or_default",
    "pop",
    "pop_back",
    "pop_front",
    "push",
    "push_back",
    "push_front",
    "push_str",
    "remove",
    "resize",
    "retain",
    "reverse",
    "sort",
    "sort_by",
    "sort_by_key",
    "sort_unstable",
    "swap",
    "truncate",
];

impl<'a> Changes<'a> {
    pub(super) fn of(names: &'a Names, visit: impl FnOnce(&mut Self)) -> Vec<Ident> {
        let mut changes = Changes { names, found: Vec::new(), methods: false };
        visit(&mut changes);
        changes.found
    }

    fn place(&mut self, expr: &Expr) {
        match unwrapped(expr) {
            Expr::Field(field) => self.place(&field.base),
            Expr::Index(index) => self.place(&index.expr),
            other => {
                if let Some(ident) =
                    super::path_ident(other).filter(|i| self.names.find(&i.to_string()).is_some())
                {
                    self.found.push(ident.clone());
                }
            }
        }
    }
}

impl<'ast> syn::visit::Visit<'ast> for Changes<'_> {
    fn visit_expr_assign(&mut self, assign: &'ast syn::ExprAssign) {
        targets(&assign.left).into_iter().for_each(|target| self.place(target));
        syn::visit::visit_expr_assign(self, assign);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if super::is_compound(&binary.op) {
            self.place(&binary.left);
        }
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if self.methods && CHANGING.contains(&&*call.method.to_string()) {
            self.place(&call.receiver);
        }
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_reference(&mut self, reference: &'ast syn::ExprReference) {
        if reference.mutability.is_some() {
            self.place(&reference.expr);
        }
        syn::visit::visit_expr_reference(self, reference);
    }
}
