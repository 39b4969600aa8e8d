//! Every binding of the body gets a name of its own, so that later passes go by name alone.
//!
//! The first binding of a name keeps it; a later one becomes `name__2`, with the user's span. So does
//! the first, where the name means something else too: a function, or a constant. Must not change
//! what a name means, and leaves items alone.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Arm, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprPath, ExprStruct, ExprWhile,
    FieldPat, Item, Local, Macro, Pat, PatIdent,
    visit_mut::{self, VisitMut},
};

use super::{
    Var,
    format::{self, unraw},
};

/// Renames in the parameters and the body; gives the variables, in source order. A call of one of
/// the `callees` means that, whatever is in scope.
pub(super) fn rename(params: &mut [Pat], body: &mut Block, callees: &BTreeSet<String>) -> Vec<Var> {
    let mut written = BTreeSet::new();
    params.iter().for_each(|param| words(param.to_token_stream(), &mut written));
    words(body.to_token_stream(), &mut written);
    // Once to learn which names also mean something that is no variable. Nearly always none of
    // the variables has such a name, and once is enough.
    let before = (params.to_vec(), body.clone());
    let mut renamer = Renamer::new(&written, callees, BTreeSet::new());
    renamer.rename_all(params, body);
    if renamer.vars.iter().all(|var| !renamer.unresolved.contains(&unraw(&var.ident))) {
        return renamer.vars;
    }
    params.clone_from_slice(&before.0);
    *body = before.1;
    let mut renamer = Renamer::new(&written, callees, renamer.unresolved);
    renamer.rename_all(params, body);
    renamer.vars
}

/// Every identifier in the tokens.
fn words(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => _ = found.insert(unraw(&ident)),
            TokenTree::Group(group) => words(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

struct Renamer<'a> {
    /// Innermost last; from the user's name to ours.
    scopes: Vec<BTreeMap<String, String>>,
    /// The names that are not to be given.
    taken: BTreeSet<String>,
    /// The last number that was given to a name: those before are taken.
    counts: BTreeMap<String, usize>,
    /// The identifiers of the body.
    written: &'a BTreeSet<String>,
    callees: &'a BTreeSet<String>,
    /// The names that were looked for and are no variable in that place.
    unresolved: BTreeSet<String>,
    vars: Vec<Var>,
}

/// Whether a plain identifier in a pattern names a constant or variant, by the naming convention.
pub(super) fn is_constant(ident: &Ident) -> bool {
    ident.to_string().trim_start_matches("r#").starts_with(|c: char| c.is_uppercase())
}

impl<'a> Renamer<'a> {
    fn new(written: &'a BTreeSet<String>, callees: &'a BTreeSet<String>, taken: BTreeSet<String>) -> Self {
        let (scopes, unresolved, vars) = (vec![BTreeMap::new()], BTreeSet::new(), Vec::new());
        Renamer { scopes, taken, counts: BTreeMap::new(), written, callees, unresolved, vars }
    }

    fn rename_all(&mut self, params: &mut [Pat], body: &mut Block) {
        for param in params {
            self.bind_plainly(param);
        }
        self.visit_block_mut(body);
    }

    fn scoped(&mut self, inner: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeMap::new());
        inner(self);
        self.scopes.pop();
    }

    fn resolve(&self, name: &str) -> Option<&String> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name))
    }

    fn rename(&mut self, ident: &mut Ident) {
        let name = unraw(ident);
        match self.resolve(&name) {
            Some(ours) if *ours != name => *ident = Ident::new(ours, ident.span()),
            Some(_) => {}
            None => _ = self.unresolved.insert(name),
        }
    }

    /// Declares what the pattern of a `let` or a parameter binds: a name alone is a variable,
    /// whatever its letters.
    fn bind_plainly(&mut self, pat: &mut Pat) {
        match pat {
            Pat::Ident(ident) if ident.subpat.is_none() => self.declare(ident, None),
            other => self.bind(other),
        }
    }

    /// Declares what a pattern binds.
    fn bind(&mut self, pat: &mut Pat) {
        Binder { renamer: self }.visit_pat_mut(pat);
    }

    fn declare(&mut self, pat: &mut PatIdent, ty: Option<syn::Type>) {
        let name = unraw(&pat.ident);
        let mut ours = name.clone();
        let mut count = 1;
        while self.taken.contains(&ours) || (count > 1 && self.written.contains(&ours)) {
            count = self.counts.get(&name).map_or(count, |&last| count.max(last)) + 1;
            ours = format!("{name}__{count}");
        }
        if count > 1 {
            self.counts.insert(name.clone(), count);
        }
        self.taken.insert(ours.clone());
        if ours != name {
            pat.ident = Ident::new(&ours, pat.ident.span());
        }
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

    /// Renames in the tokens of a macro that could not be parsed.
    fn tokens(&mut self, tokens: TokenStream, literals: bool) -> TokenStream {
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
                    let mut inner = Group::new(group.delimiter(), self.tokens(group.stream(), literals));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                TokenTree::Literal(literal) if literals => TokenTree::Literal(self.captures(literal, &[])),
                other => other.clone(),
            });
        }
        renamed.into_iter().collect()
    }

    /// Renames in the captures of a format string: `"{x}"`.
    fn captures(&self, literal: &Literal, named: &[String]) -> Literal {
        let text = literal.to_string();
        if !text.starts_with('"') && !text.starts_with('r') {
            return literal.clone();
        }
        let mut changed = text.clone();
        for (at, name) in format::captures(&text).into_iter().rev() {
            if let Some(ours) = self.resolve(name)
                && !named.iter().any(|named| named == name)
            {
                changed.replace_range(at, ours);
            }
        }
        match changed.parse::<Literal>() {
            Ok(mut renamed) if changed != text => {
                renamed.set_span(literal.span());
                renamed
            }
            _ => literal.clone(),
        }
    }
}

/// Whether the value is a borrow, by its form or by the naming convention of `std`.
fn is_borrow(value: &Expr) -> bool {
    const BORROWING: &[&str] =
        &["as_str", "as_bytes", "as_slice", "as_ref", "as_mut", "as_deref", "as_deref_mut", "as_path"];
    match value {
        Expr::Reference(_) => true,
        Expr::MethodCall(call) => BORROWING.contains(&&*call.method.to_string()),
        _ => false,
    }
}

fn is_punct(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == punct)
}

impl VisitMut for Renamer<'_> {
    fn visit_block_mut(&mut self, block: &mut Block) {
        self.scoped(|this| visit_mut::visit_block_mut(this, block));
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let borrows = local.init.as_ref().is_some_and(|init| is_borrow(super::unwrapped(&init.expr)));
        if let Some(init) = &mut local.init {
            self.visit_expr_mut(&mut init.expr);
            if let Some((_, diverge)) = &mut init.diverge {
                self.visit_expr_mut(diverge);
            }
        }
        let before = self.vars.len();
        self.bind_plainly(&mut local.pat);
        if let (true, [var]) = (borrows, &mut self.vars[before..]) {
            var.borrows = true;
        }
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.scoped(|this| {
            for input in &mut closure.inputs {
                this.bind_plainly(input);
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
        let Some(name) = format::macro_name(call) else {
            match super::path_ident(&call.func).map(unraw) {
                Some(callee) if self.callees.contains(&callee) => _ = self.unresolved.insert(callee),
                _ => self.visit_expr_mut(&mut call.func),
            }
            return call.args.iter_mut().for_each(|arg| self.visit_expr_mut(arg));
        };
        let (strings, named) = format::strings(&name, &call.args);
        let renamed: Vec<_> = strings.map(|(i, text)| (i, self.captures(&text.token(), &named))).collect();
        for (i, literal) in renamed {
            if let (Expr::Lit(arg), Ok(text)) =
                (&mut call.args[i], syn::parse2(TokenTree::Literal(literal).into()))
            {
                arg.lit = syn::Lit::Str(text);
            }
        }
        for arg in &mut call.args {
            match arg {
                Expr::Assign(named) if super::path_ident(&named.left).is_some() => {
                    self.visit_expr_mut(&mut named.right);
                }
                arg => self.visit_expr_mut(arg),
            }
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
        let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let literals = (0..=2).any(|i| format::is_format(&name, i));
        mac.tokens = self.tokens(std::mem::take(&mut mac.tokens), literals);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// Declares the bindings of one pattern.
struct Binder<'a, 'b> {
    renamer: &'a mut Renamer<'b>,
}

impl VisitMut for Binder<'_, '_> {
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
struct Alternative<'a, 'b> {
    renamer: &'a mut Renamer<'b>,
}

impl VisitMut for Alternative<'_, '_> {
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
