//! Which variables a piece of glue mentions, reads, or assigns.
//!
//! Names are unique after `rename`, so this goes by name. What cannot be parsed (the tokens of a
//! macro) counts as read. Must not look into items.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Expr, ExprAssign, ExprAsync, ExprCall, ExprClosure, ExprPath, Item, Macro, Pat, PatIdent, Stmt,
    visit::{self, Visit},
};

use super::{
    JUMP, JumpId, Var, VarId, VarSet,
    format::{self, unraw},
    path_ident,
};

/// The variables by name.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, VarId>);

/// What a piece of glue does with variables.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// Read, borrowed, moved or changed in part: the variable must be there.
    pub(super) reads: VarSet,
    /// Assigned as a whole somewhere inside, perhaps.
    pub(super) assigns: VarSet,
    /// Bound by a pattern inside.
    pub(super) binds: VarSet,
    /// Jumps out of the glue.
    pub(super) jumps: BTreeSet<JumpId>,
}

impl Names {
    pub(super) fn new(vars: &[Var]) -> Self {
        Names(vars.iter().enumerate().map(|(id, var)| (unraw(&var.ident), id)).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<VarId> {
        self.0.get(name.strip_prefix("r#").unwrap_or(name)).copied()
    }

    /// The variable that an expression is, if it is nothing else.
    pub(super) fn of_path(&self, expr: &Expr) -> Option<VarId> {
        path_ident(expr).and_then(|ident| self.find(&ident.to_string()))
    }

    pub(super) fn of_expr(&self, expr: &Expr) -> Mentions {
        self.gather(|finder| finder.visit_expr(expr))
    }

    pub(super) fn of_stmt(&self, stmt: &Stmt) -> Mentions {
        self.gather(|finder| finder.visit_stmt(stmt))
    }

    /// The pattern's bindings are its `binds`; its guard's reads are its `reads`.
    pub(super) fn of_pat(&self, pat: &Pat) -> Mentions {
        self.gather(|finder| finder.visit_pat(pat))
    }

    fn gather(&self, visit: impl FnOnce(&mut Finder)) -> Mentions {
        let mut finder = Finder { names: self, found: Mentions::default() };
        visit(&mut finder);
        finder.found
    }
}

struct Finder<'a> {
    names: &'a Names,
    found: Mentions,
}

impl Finder<'_> {
    fn read(&mut self, name: &str) {
        if let Some(var) = self.names.find(name) {
            self.found.reads.insert(var);
        }
    }

    fn tokens(&mut self, tokens: TokenStream, literals: bool) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.read(&ident.to_string()),
                TokenTree::Group(group) => self.tokens(group.stream(), literals),
                TokenTree::Literal(literal) if literals => {
                    for (_, name) in format::captures(&literal.to_string()) {
                        self.read(name);
                    }
                }
                TokenTree::Literal(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    /// What is captured by reference must be there, even if it is only assigned.
    fn captured(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = std::mem::take(&mut self.found.assigns);
        visit(self);
        let inside = std::mem::replace(&mut self.found.assigns, before);
        self.found.reads.extend(inside);
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if let (None, Some(ident)) = (&path.qself, path.path.get_ident()) {
            self.read(&ident.to_string());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let Some(name) = format::macro_name(call) else {
            return visit::visit_expr_call(self, call);
        };
        let (strings, named) = format::strings(&name, &call.args);
        for (_, text) in strings {
            for name in format::captured(text).iter().filter(|name| !named.contains(name)) {
                self.read(name);
            }
        }
        for arg in &call.args {
            match arg {
                Expr::Assign(named) if path_ident(&named.left).is_some() => self.visit_expr(&named.right),
                arg => self.visit_expr(arg),
            }
        }
    }

    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        for target in targets(&assign.left) {
            match self.names.of_path(target) {
                Some(var) => {
                    self.found.assigns.insert(var);
                }
                None => self.visit_expr(target),
            }
        }
        self.visit_expr(&assign.right);
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.captured(|this| visit::visit_expr_closure(this, closure));
    }

    fn visit_expr_async(&mut self, block: &'ast ExprAsync) {
        self.captured(|this| visit::visit_expr_async(this, block));
    }

    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        if let Some(var) = self.names.find(&pat.ident.to_string()) {
            self.found.binds.insert(var);
        }
        visit::visit_pat_ident(self, pat);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        if let Some(jump) = jump_of(mac) {
            self.found.jumps.insert(jump);
            return;
        }
        let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        self.tokens(mac.tokens.clone(), (0..=2).any(|i| format::is_format(&name, i)));
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// The jump that a marker stands for.
pub(super) fn jump_of(mac: &Macro) -> Option<JumpId> {
    if !mac.path.is_ident(JUMP) {
        return None;
    }
    syn::parse2::<syn::LitInt>(mac.tokens.clone()).and_then(|id| id.base10_parse()).ok()
}

/// What the left side of an assignment assigns: one place, or those in a pattern of places.
pub(super) fn targets(left: &Expr) -> Vec<&Expr> {
    match left {
        Expr::Paren(inner) => targets(&inner.expr),
        Expr::Group(inner) => targets(&inner.expr),
        Expr::Tuple(tuple) => tuple.elems.iter().flat_map(targets).collect(),
        Expr::Array(array) => array.elems.iter().flat_map(targets).collect(),
        Expr::Call(call) => call.args.iter().flat_map(targets).collect(),
        Expr::Struct(parts) => parts.fields.iter().flat_map(|field| targets(&field.expr)).collect(),
        Expr::Infer(_) => Vec::new(),
        // `..` in a tuple or array.
        Expr::Range(range) if range.start.is_none() && range.end.is_none() => Vec::new(),
        place => vec![place],
    }
}
