//! Every binding of the body gets a name of its own, so that later passes go by name alone.
//!
//! The first binding of a name keeps it; a later one becomes `name__2`, with the user's span. Must
//! not change what a name means, and leaves items alone.

use std::collections::BTreeMap;

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};
use syn::{
    Arm, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprPath, ExprStruct, ExprWhile,
    FieldPat, Item, Local, Macro, Pat, PatIdent,
    visit_mut::{self, VisitMut},
};

use super::Var;

/// Renames in the parameters and the body; gives the variables, in source order.
pub(super) fn rename(params: &mut [Pat], body: &mut Block) -> Vec<Var> {
    let mut renamer = Renamer { scopes: vec![BTreeMap::new()], count: BTreeMap::new(), vars: Vec::new() };
    for param in params {
        renamer.bind(param);
    }
    renamer.visit_block_mut(body);
    renamer.vars
}

struct Renamer {
    /// Innermost last; from the user's name to ours.
    scopes: Vec<BTreeMap<String, String>>,
    count: BTreeMap<String, usize>,
    vars: Vec<Var>,
}

/// Whether a plain identifier in a pattern names a constant or variant, by the naming convention.
pub(super) fn is_constant(ident: &Ident) -> bool {
    ident.to_string().trim_start_matches("r#").starts_with(|c: char| c.is_uppercase())
}

impl Renamer {
    fn scoped(&mut self, inner: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeMap::new());
        inner(self);
        self.scopes.pop();
    }

    fn resolve(&self, name: &str) -> Option<&String> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    fn rename(&self, ident: &mut Ident) {
        let name = ident.to_string();
        if let Some(ours) = self.resolve(&name).filter(|ours| **ours != name) {
            *ident = Ident::new(ours, ident.span());
        }
    }

    /// Declares what a pattern binds.
    fn bind(&mut self, pat: &mut Pat) {
        Binder { renamer: self }.visit_pat_mut(pat);
    }

    fn declare(&mut self, pat: &mut PatIdent, ty: Option<syn::Type>) {
        let name = pat.ident.to_string();
        // Alternatives of one pattern bind the same variable.
        let count = self.count.entry(name.clone()).or_default();
        *count += 1;
        let ours =
            if *count == 1 { name.clone() } else { format!("{}__{count}", name.trim_start_matches("r#")) };
        pat.ident = Ident::new_or_raw(&ours, pat.ident.span());
        self.vars.push(Var {
            ident: pat.ident.clone(),
            mutable: pat.mutability.is_some(),
            ty,
            region: 0,
            borrows: pat.by_ref.is_some(),
            user: Some(name.clone()),
        });
        self.scopes.last_mut().expect("there is a scope").insert(name, ours);
    }

    /// The condition of an `if` or `while`: its `let`s are seen in what follows.
    fn condition(&mut self, cond: &mut Expr) {
        match cond {
            Expr::Let(ExprLet { pat, expr, .. }) => {
                self.visit_expr_mut(expr);
                self.bind(pat);
            }
            Expr::Binary(binary) if matches!(binary.op, syn::BinOp::And(_)) => {
                self.condition(&mut binary.left);
                self.condition(&mut binary.right);
            }
            other => self.visit_expr_mut(other),
        }
    }

    fn tokens(&self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut renamed = Vec::with_capacity(tokens.len());
        for (i, token) in tokens.iter().enumerate() {
            let after_dot =
                i > 0 && is_punct(&tokens[i - 1], '.') && !(i > 1 && is_punct(&tokens[i - 2], '.'));
            let names_argument = tokens.get(i + 1).is_some_and(|next| is_punct(next, '='))
                && !tokens.get(i + 2).is_some_and(|next| is_punct(next, '=') || is_punct(next, '>'));
            renamed.push(match token {
                TokenTree::Ident(ident) if !after_dot && !names_argument => {
                    let mut ident = ident.clone();
                    self.rename(&mut ident);
                    TokenTree::Ident(ident)
                }
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), self.tokens(group.stream()));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                TokenTree::Literal(literal) => TokenTree::Literal(self.captures(literal)),
                other => other.clone(),
            });
        }
        renamed.into_iter().collect()
    }

    /// Renames in the captures of a format string: `"{x}"`.
    fn captures(&self, literal: &Literal) -> Literal {
        let text = literal.to_string();
        if !text.starts_with('"') {
            return literal.clone();
        }
        let mut changed = text.clone();
        for name in super::mentions::captures(&text) {
            if let Some(ours) = self.resolve(&name).filter(|ours| **ours != name) {
                changed = changed.replace(&format!("{{{name}}}"), &format!("{{{ours}}}"));
                changed = changed.replace(&format!("{{{name}:"), &format!("{{{ours}:"));
            }
        }
        if changed == text {
            return literal.clone();
        }
        match changed.parse::<Literal>() {
            Ok(mut renamed) => {
                renamed.set_span(literal.span());
                renamed
            }
            Err(_) => literal.clone(),
        }
    }
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == punct)
}

impl VisitMut for Renamer {
    fn visit_block_mut(&mut self, block: &mut Block) {
        self.scoped(|this| visit_mut::visit_block_mut(this, block));
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let borrows = local
            .init
            .as_ref()
            .is_some_and(|init| matches!(super::unwrapped(&init.expr), Expr::Reference(_)));
        if let Some(init) = &mut local.init {
            self.visit_expr_mut(&mut init.expr);
            if let Some((_, diverge)) = &mut init.diverge {
                self.visit_expr_mut(diverge);
            }
        }
        let before = self.vars.len();
        self.bind(&mut local.pat);
        if let (true, [var]) = (borrows, &mut self.vars[before..]) {
            var.borrows = true;
        }
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.scoped(|this| {
            for input in &mut closure.inputs {
                this.bind(input);
            }
            this.visit_expr_mut(&mut closure.body);
        });
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        self.scoped(|this| {
            this.bind(&mut arm.pat);
            this.visit_expr_mut(&mut arm.body);
        });
    }

    fn visit_expr_if_mut(&mut self, expr: &mut ExprIf) {
        self.scoped(|this| {
            this.condition(&mut expr.cond);
            this.visit_block_mut(&mut expr.then_branch);
        });
        if let Some((_, otherwise)) = &mut expr.else_branch {
            self.visit_expr_mut(otherwise);
        }
    }

    fn visit_expr_while_mut(&mut self, expr: &mut ExprWhile) {
        self.scoped(|this| {
            this.condition(&mut expr.cond);
            this.visit_block_mut(&mut expr.body);
        });
    }

    fn visit_expr_for_loop_mut(&mut self, expr: &mut ExprForLoop) {
        self.visit_expr_mut(&mut expr.expr);
        self.scoped(|this| {
            this.bind(&mut expr.pat);
            this.visit_block_mut(&mut expr.body);
        });
    }

    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        if path.qself.is_none() && path.path.leading_colon.is_none() && path.path.segments.len() == 1 {
            self.rename(&mut path.path.segments[0].ident);
        }
    }

    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        visit_mut::visit_expr_call_mut(self, call);
        // A macro that `rules` has parsed: its first argument may be a format string.
        if let (Expr::Macro(_), Some(Expr::Lit(literal))) = (&*call.func, call.args.first_mut())
            && let syn::Lit::Str(text) = &literal.lit
            && let Ok(renamed) = syn::parse2(TokenTree::Literal(self.captures(&text.token())).into())
        {
            literal.lit = syn::Lit::Str(renamed);
        }
    }

    fn visit_expr_struct_mut(&mut self, expr: &mut ExprStruct) {
        visit_mut::visit_expr_struct_mut(self, expr);
        for field in &mut expr.fields {
            if let (None, syn::Member::Named(name), Some(ident)) =
                (field.colon_token, &field.member, super::path_ident(&field.expr))
                && name != ident
            {
                field.colon_token = Some(syn::Token![:](name.span()));
            }
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        mac.tokens = self.tokens(std::mem::take(&mut mac.tokens));
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Declares the bindings of one pattern.
struct Binder<'a> {
    renamer: &'a mut Renamer,
}

impl VisitMut for Binder<'_> {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        if let Some((_, sub)) = &mut pat.subpat {
            self.visit_pat_mut(sub);
        } else if pat.by_ref.is_none() && pat.mutability.is_none() && is_constant(&pat.ident) {
            return;
        }
        self.renamer.declare(pat, None);
    }

    fn visit_pat_type_mut(&mut self, pat: &mut syn::PatType) {
        match &mut *pat.pat {
            Pat::Ident(ident) if ident.subpat.is_none() => {
                self.renamer.declare(ident, Some((*pat.ty).clone()))
            }
            other => self.visit_pat_mut(other),
        }
    }

    fn visit_pat_or_mut(&mut self, pat: &mut syn::PatOr) {
        let mut cases = pat.cases.iter_mut();
        if let Some(first) = cases.next() {
            self.visit_pat_mut(first);
        }
        // The alternatives bind the same names.
        for case in cases {
            Alternative { renamer: self.renamer }.visit_pat_mut(case);
        }
    }

    fn visit_field_pat_mut(&mut self, field: &mut FieldPat) {
        let before = binding_name(&field.pat);
        self.visit_pat_mut(&mut field.pat);
        expand_shorthand(field, before);
    }

    fn visit_pat_guard_mut(&mut self, pat: &mut syn::PatGuard) {
        self.visit_pat_mut(&mut pat.pat);
        self.renamer.visit_expr_mut(&mut pat.guard);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        self.renamer.visit_expr_mut(expr);
    }
}

/// Renames the bindings of a further alternative to those of the first.
struct Alternative<'a> {
    renamer: &'a Renamer,
}

impl VisitMut for Alternative<'_> {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.renamer.rename(&mut pat.ident);
        if let Some((_, sub)) = &mut pat.subpat {
            self.visit_pat_mut(sub);
        }
    }

    fn visit_field_pat_mut(&mut self, field: &mut FieldPat) {
        let before = binding_name(&field.pat);
        self.visit_pat_mut(&mut field.pat);
        expand_shorthand(field, before);
    }
}

fn binding_name(pat: &Pat) -> Option<Ident> {
    match pat {
        Pat::Ident(pat) => Some(pat.ident.clone()),
        _ => None,
    }
}

/// `Point { x }` with `x` renamed is `Point { x: x__2 }`.
fn expand_shorthand(field: &mut FieldPat, before: Option<Ident>) {
    let renamed = before.is_some() && before != binding_name(&field.pat);
    if let (true, None, syn::Member::Named(name)) = (renamed, field.colon_token, &field.member) {
        field.colon_token = Some(syn::Token![:](name.span()));
    }
}

/// `Ident::new`, also for raw identifiers.
trait NewOrRaw {
    fn new_or_raw(name: &str, span: proc_macro2::Span) -> Ident;
}

impl NewOrRaw for Ident {
    fn new_or_raw(name: &str, span: proc_macro2::Span) -> Ident {
        match name.strip_prefix("r#") {
            Some(raw) => Ident::new_raw(raw, span),
            None => Ident::new(name, span),
        }
    }
}
