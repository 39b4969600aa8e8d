//! What a piece of glue visibly changes.

use proc_macro2::Ident;
use syn::Expr;

use super::{
    mentions::{Names, targets},
    path_ident, unwrapped,
};

/// The variables that a piece of glue visibly changes.
pub(super) struct Changes<'a> {
    names: &'a Names,
    found: Vec<Ident>,
    /// Whether methods of `std` that are known to change their receiver count.
    pub(super) methods: bool,
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
                if let Some(ident) = path_ident(other).filter(|i| self.names.find(&i.to_string()).is_some()) {
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
