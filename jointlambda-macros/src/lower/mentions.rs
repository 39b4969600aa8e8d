//! Which variables a piece of glue mentions, reads, or assigns.
//!
//! Names are unique after `rename`, so this goes by name. What cannot be parsed (the tokens of a
//! macro) counts as read. Must not look into items.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Expr, ExprAssign, ExprCall, ExprPath, Item, Macro, Pat, PatIdent, Stmt,
    visit::{self, Visit},
};

use super::{JUMP, JumpId, Var, VarId, VarSet, path_ident};

/// The variables by name.
#[derive(Debug)]
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
        Names(vars.iter().enumerate().map(|(id, var)| (var.ident.to_string(), id)).collect())
    }

    pub(super) fn find(&self, name: &str) -> Option<VarId> {
        self.0.get(name).copied()
    }

    pub(super) fn of_expr(&self, expr: &Expr) -> Mentions {
        let mut finder = Finder { names: self, found: Mentions::default() };
        finder.visit_expr(expr);
        finder.found
    }

    pub(super) fn of_stmt(&self, stmt: &Stmt) -> Mentions {
        let mut finder = Finder { names: self, found: Mentions::default() };
        finder.visit_stmt(stmt);
        finder.found
    }

    /// The pattern's bindings are its `binds`; its guard's reads are its `reads`.
    pub(super) fn of_pat(&self, pat: &Pat) -> Mentions {
        let mut finder = Finder { names: self, found: Mentions::default() };
        finder.visit_pat(pat);
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

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.read(&ident.to_string()),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    for name in captures(&literal.to_string()) {
                        self.read(&name);
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if let (None, Some(ident)) = (&path.qself, path.path.get_ident()) {
            self.read(&ident.to_string());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        // A macro that `rules` has parsed: its first argument may be a format string.
        if let (Expr::Macro(_), Some(Expr::Lit(literal))) = (&*call.func, call.args.first()) {
            self.tokens(literal.to_token_stream());
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        match path_ident(&assign.left).and_then(|ident| self.names.find(&ident.to_string())) {
            Some(var) => {
                self.found.assigns.insert(var);
            }
            None => self.visit_expr(&assign.left),
        }
        self.visit_expr(&assign.right);
    }

    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        if let Some(var) = self.names.find(&pat.ident.to_string()) {
            self.found.binds.insert(var);
        }
        visit::visit_pat_ident(self, pat);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        if mac.path.is_ident(JUMP) {
            if let Ok(id) = syn::parse2::<syn::LitInt>(mac.tokens.clone()).and_then(|id| id.base10_parse()) {
                self.found.jumps.insert(id);
            }
            return;
        }
        self.tokens(mac.tokens.clone());
    }

    fn visit_item(&mut self, _: &'ast Item) {}
}

/// The names that a format string captures: `{name}`, `{name:…}`.
pub(super) fn captures(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        if let Some(escaped) = rest.strip_prefix('{') {
            rest = escaped;
            continue;
        }
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let name = &rest[..end];
        if rest[end..].starts_with(['}', ':']) && name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            names.push(name.to_owned());
        }
        // The width and precision may be captured too: `{x:>width$}`.
        if let (true, Some(close)) = (rest[end..].starts_with(':'), rest.find('}')) {
            for part in rest[end..close].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')) {
                if let Some(argument) = part.strip_suffix('$')
                    && argument.starts_with(|c: char| c.is_alphabetic() || c == '_')
                {
                    names.push(argument.to_owned());
                }
            }
        }
        rest = &rest[end..];
    }
    names
}

#[cfg(test)]
mod tests {
    #[test]
    fn captures_of_format_strings_are_found() {
        assert_eq!(super::captures("a {x} {{no}} {y:?} {0} {} {z:>width$.2}"), ["x", "y", "z", "width"]);
    }
}
