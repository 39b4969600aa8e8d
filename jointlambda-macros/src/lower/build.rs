//! Control flow around calls → states. Glue without calls stays as written, whatever it is.
//!
//! The builder walks the body in source order with a cursor, the sequence that is being filled. A
//! call ends the sequence and opens a state for its outcome; arms that meet again open a merge;
//! loops have a state for their head and one for their exit. An expression with a call in it is
//! taken apart: what is evaluated before the call goes into temporaries.

use std::collections::BTreeMap;

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::{Block, Expr, ExprIf, ExprMatch, Local, Pat, Stmt, parse_quote};

use super::{
    JUMP, Jump, Lowered, Node, NodeId, NodeKind, Op, Outline, Region, RegionId, Seq, SeqId, State, StateId,
    Target, Turns, Var, VarId, VarSet, format, mentions::Names, unwrapped,
};
use crate::model::Model;

mod branches;
mod loops;
mod operands;
mod suspends;

use loops::Loop;
use operands::compact;
use suspends::{JumpMarker, suspends};

/// Builds the machine of a body whose names are unique.
pub(super) fn build(model: &Model, params: Vec<Pat>, body: &Block, vars: Vec<Var>) -> Lowered {
    let mut builder = Builder {
        model,
        names: Names::new(&vars),
        out: Lowered { vars, ..Lowered::default() },
        cursor: None,
        region: 0,
        loops: Vec::new(),
        names_used: BTreeMap::new(),
        outline: Vec::new(),
        temporaries: 0,
    };
    builder.out.regions.push(Region {
        parent: None,
        output: Some(model.workflow.output.clone()),
        span: model.workflow.ident.span(),
        is_counted: false,
    });
    let start = builder.new_state();
    builder.open(start);
    for pat in &params {
        builder.declare(pat);
    }
    let types = model.workflow.params.iter().map(|param| &param.ty);
    let (pat, ty) = match &params[..] {
        [one] => (one.clone(), model.workflow.params[0].ty.clone()),
        _ => (parse_quote!((#(#params,)*)), parse_quote!((#(#types,)*))),
    };
    builder.push(Op::Outcome { pat, ty: Box::new(ty) });
    builder.block(body, Dest::Return);
    builder.out.outline = builder.outline;
    builder.out.names = Names::new(&builder.out.vars);
    builder.out
}

/// What becomes of a value.
#[derive(Clone, Copy)]
enum Dest {
    Discard,
    Var(VarId),
    /// It is what the region returns.
    Return,
}

struct Builder<'a> {
    model: &'a Model,
    names: Names,
    out: Lowered,
    /// Where the next operation goes; `None` where nothing can get to.
    cursor: Option<SeqId>,
    region: RegionId,
    loops: Vec<Loop>,
    names_used: BTreeMap<String, usize>,
    outline: Vec<Outline>,
    temporaries: usize,
}

impl Builder<'_> {
    fn new_seq(&mut self) -> SeqId {
        self.out.seqs.push(Seq { ops: Vec::new(), region: self.region });
        self.out.seqs.len() - 1
    }

    fn new_state(&mut self) -> StateId {
        let seq = self.new_seq();
        self.out.states.push(State { seq, region: self.region, live_in: Default::default() });
        self.out.states.len() - 1
    }

    /// Goes on in a new state, from here on in source order.
    fn open(&mut self, state: StateId) {
        self.out.order.push(state);
        self.cursor = Some(self.out.states[state].seq);
    }

    fn push(&mut self, op: Op) {
        if let Some(seq) = self.cursor {
            self.out.seqs[seq].ops.push(op);
        }
    }

    /// Pushes the operation that ends the sequence.
    fn leave(&mut self, op: Op) {
        self.push(op);
        self.cursor = None;
    }

    fn goto(&mut self, target: Target) {
        self.leave(Op::Goto(target));
    }

    /// Goes on where the arms meet again.
    fn merge(&mut self, ends: &[Option<SeqId>]) {
        let open: Vec<SeqId> = ends.iter().copied().flatten().collect();
        self.cursor = match open[..] {
            [] => None,
            [only] => Some(only),
            _ => {
                let state = self.new_state();
                for end in open {
                    self.cursor = Some(end);
                    self.goto(Target { state, turns: Turns::Keep });
                }
                self.open(state);
                return;
            }
        };
    }

    /// Notes the region of what a pattern, or a condition, binds.
    fn declare(&mut self, pat: &Pat) {
        for id in self.names.of_pat(pat).binds {
            self.out.vars[id].region = self.region;
        }
    }

    fn temporary(&mut self, span: Span) -> VarId {
        let name = loop {
            self.temporaries += 1;
            let name = format!("__t{}", self.temporaries);
            if self.names.find(&name).is_none() {
                break name;
            }
        };
        let ident = Ident::new(&name, span.resolved_at(Span::mixed_site()));
        self.out.vars.push(Var {
            ident,
            mutable: false,
            ty: None,
            region: self.region,
            borrows: false,
            user: None,
        });
        self.out.vars.len() - 1
    }

    fn path(&self, var: VarId) -> Expr {
        let path = self.out.vars[var].ident.clone().into();
        Expr::Path(syn::ExprPath { attrs: Vec::new(), qself: None, path })
    }

    /// `let VAR = EXPR;`
    fn assign(&mut self, var: VarId, expr: Expr) {
        if self.cursor.is_none() {
            return;
        }
        let Var { ident, mutable, ty, .. } = &self.out.vars[var];
        let mut pat = binding(ident);
        if let (true, Pat::Ident(pat)) = (*mutable, &mut pat) {
            pat.mutability = Some(Default::default());
        }
        if let Some(ty) = ty {
            pat = Pat::Type(syn::PatType {
                attrs: Vec::new(),
                pat: Box::new(pat),
                colon_token: Default::default(),
                ty: Box::new(ty.clone()),
            });
        }
        self.push(Op::Glue(Stmt::Local(Local {
            attrs: Vec::new(),
            let_token: Default::default(),
            modifiers: Default::default(),
            pat,
            init: Some(syn::LocalInit { eq_token: Default::default(), expr: Box::new(expr), diverge: None }),
            semi_token: Default::default(),
        })));
    }

    /// Glue as written, with the jumps out of it marked.
    fn glue(&mut self, expr: &Expr) -> Expr {
        let mut expr = expr.clone();
        if !self.loops.is_empty() {
            let mut marker = JumpMarker { builder: self, inner: Vec::new() };
            syn::visit_mut::VisitMut::visit_expr_mut(&mut marker, &mut expr);
        }
        expr
    }

    fn node(&mut self, name: &str, kind: NodeKind) -> NodeId {
        let count = self.names_used.entry(name.to_owned()).or_default();
        *count += 1;
        let name = if *count == 1 { name.to_owned() } else { format!("{name}#{count}") };
        self.out.nodes.push(Node { name, kind, resume: 0, tail: false, pure: false, next: Vec::new() });
        self.out.nodes.len() - 1
    }

    fn block(&mut self, block: &Block, dest: Dest) {
        for (i, stmt) in block.stmts.iter().enumerate() {
            match stmt {
                Stmt::Expr(expr, None) if i + 1 == block.stmts.len() => return self.expr(expr, dest),
                stmt => self.stmt(stmt),
            }
        }
        if self.cursor.is_some() {
            self.deliver_unit(dest, block.brace_token.span.close());
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Item(item) => self.out.items.push(item.clone()),
            Stmt::Local(local) => self.local(local),
            Stmt::Expr(expr, _) => self.expr(expr, Dest::Discard),
            Stmt::Macro(_) => unreachable!("`rules` has made expressions of them"),
        }
    }

    fn local(&mut self, local: &Local) {
        let mut local = local.clone();
        let Some(init) = &mut local.init else {
            self.declare(&local.pat);
            return self.push(Op::Glue(Stmt::Local(local)));
        };
        *init.expr = match (unwrapped(&init.expr), &local.pat) {
            (
                branching @ (Expr::If(_) | Expr::Match(_) | Expr::Block(_) | Expr::Loop(_)),
                Pat::Type(typed),
            ) if suspends(branching) => self.branching(branching, Some((*typed.ty).clone())),
            (init, _) => self.value(init),
        };
        match &mut init.diverge {
            Some((_, diverge)) if suspends(diverge) => {
                let (scrutinee, otherwise) = ((*init.expr).clone(), diverge.clone());
                let (found, other) = (self.new_seq(), self.new_seq());
                let pat = without_type(&local.pat);
                self.leave(Op::Match {
                    scrutinee,
                    arms: vec![(pat.clone(), found), (parse_quote!(_), other)],
                });
                self.cursor = Some(other);
                self.expr(&otherwise, Dest::Discard);
                self.cursor = Some(found);
                self.declare(&pat);
                return;
            }
            Some((_, diverge)) => **diverge = self.glue(diverge),
            None => {}
        }
        self.declare(&local.pat);
        self.push(Op::Glue(Stmt::Local(local)));
    }

    /// Lowers an expression whose value goes to `dest`.
    fn expr(&mut self, expr: &Expr, dest: Dest) {
        match unwrapped(expr) {
            Expr::Return(returned) => {
                self.outline_return(dest);
                match &returned.expr {
                    Some(value) => self.expr(value, Dest::Return),
                    None => self.deliver_unit(Dest::Return, returned.return_token.span),
                }
            }
            Expr::Break(jump) if self.jump_of_break(jump).is_some() => self.break_(jump),
            Expr::Continue(jump) => match self.find_loop(jump.label.as_ref()) {
                Some(at) => {
                    let target = self.next_turn(at);
                    self.goto(target);
                }
                None => self.deliver(expr.clone(), dest),
            },
            plain if !suspends(plain) => {
                let glue = self.glue(expr);
                self.deliver(glue, dest);
            }
            Expr::If(branch) => self.if_(branch, dest),
            Expr::Match(branch) => self.match_(branch, dest),
            Expr::Block(block) if block.label.is_none() => self.block(&block.block, dest),
            Expr::Block(block) => self.labelled(block, dest),
            Expr::Loop(looped) => self.loop_(looped, dest),
            Expr::While(looped) => self.while_(looped, dest),
            Expr::ForLoop(looped) => self.for_(looped, dest),
            other => {
                let value = self.value(other);
                self.deliver(value, dest);
            }
        }
    }

    fn outline_return(&mut self, dest: Dest) {
        if !matches!(dest, Dest::Return) {
            self.outline.push(Outline::Return);
        }
    }

    fn deliver(&mut self, expr: Expr, dest: Dest) {
        match dest {
            Dest::Discard => self.push(Op::Glue(Stmt::Expr(expr, Some(Default::default())))),
            Dest::Var(var) => self.assign(var, expr),
            Dest::Return => self.leave(Op::Return(expr)),
        }
    }

    fn deliver_unit(&mut self, dest: Dest, span: Span) {
        if !matches!(dest, Dest::Discard) {
            let unit = quote::quote_spanned!(span=> ());
            self.deliver(parse_quote!(#unit), dest);
        }
    }

    /// A condition, with its `let`s.
    fn condition(&mut self, cond: &Expr) -> Expr {
        let cond = match cond {
            // A chain of `let`s: only its first condition has a call in it.
            Expr::Binary(chain) if suspends(cond) && has_let(cond) => {
                let mut chain = chain.clone();
                *chain.left = self.condition(&chain.left);
                *chain.right = self.glue(&chain.right);
                Expr::Binary(chain)
            }
            Expr::Let(binding) if suspends(&binding.expr) => {
                let mut binding = binding.clone();
                *binding.expr = self.value(&binding.expr);
                Expr::Let(binding)
            }
            other if suspends(other) => self.value(other),
            other => self.glue(other),
        };
        for id in self.names.of_expr(&cond).binds {
            self.out.vars[id].region = self.region;
        }
        cond
    }

    fn if_(&mut self, branch: &ExprIf, dest: Dest) {
        let on = compact(&branch.cond);
        let cond = self.condition(&branch.cond);
        let (then, otherwise) = (self.new_seq(), self.new_seq());
        self.leave(Op::If { cond, then, otherwise });
        let outline = std::mem::take(&mut self.outline);
        self.cursor = Some(then);
        self.block(&branch.then_branch, dest);
        let then_end = self.cursor;
        let mut arms = vec![("then".to_owned(), std::mem::take(&mut self.outline))];
        self.cursor = Some(otherwise);
        match &branch.else_branch {
            Some((_, other)) => self.expr(other, dest),
            None => self.deliver_unit(dest, branch.if_token.span),
        }
        if branch.else_branch.is_some() {
            arms.push(("else".to_owned(), std::mem::take(&mut self.outline)));
        }
        self.outline = outline;
        // `else if` is one choice with more arms, not a choice in a choice.
        if let Some((_, nested)) = arms.get_mut(1)
            && let ([Outline::Choice { on, .. }], Some((_, other))) = (&nested[..], &branch.else_branch)
            && matches!(&**other, Expr::If(_))
        {
            let label = format!("else if {on}");
            let Some(Outline::Choice { arms: more, .. }) = nested.pop() else {
                unreachable!("matched above")
            };
            arms.pop();
            arms.extend(
                more.into_iter()
                    .enumerate()
                    .map(|(i, (name, body))| if i == 0 { (label.clone(), body) } else { (name, body) }),
            );
        }
        self.outline.push(Outline::Choice { on: format!("if {on}"), arms });
        self.merge(&[then_end, self.cursor]);
    }

    fn match_(&mut self, branch: &ExprMatch, dest: Dest) {
        let on = format!("match {}", compact(&branch.expr));
        let scrutinee = self.value(&branch.expr);
        let seqs: Vec<SeqId> = branch.arms.iter().map(|_| self.new_seq()).collect();
        let pats = branch.arms.iter().map(|arm| {
            let mut pat = arm.pat.clone();
            if let Pat::Guard(guard) = &mut pat {
                *guard.guard = self.glue(&guard.guard);
            }
            pat
        });
        let arms = pats.collect::<Vec<_>>().into_iter().zip(seqs.iter().copied()).collect();
        self.leave(Op::Match { scrutinee, arms });
        let outline = std::mem::take(&mut self.outline);
        let (mut ends, mut drawn) = (Vec::new(), Vec::new());
        for (arm, &seq) in branch.arms.iter().zip(&seqs) {
            self.cursor = Some(seq);
            self.declare(&arm.pat);
            self.expr(&arm.body, dest);
            ends.push(self.cursor);
            drawn.push((compact(&arm.pat), std::mem::take(&mut self.outline)));
        }
        self.outline = outline;
        self.outline.push(Outline::Choice { on, arms: drawn });
        self.merge(&ends);
    }

    /// What stands for a jump in the midst of glue.
    fn mark(&mut self, target: Target, value: Option<(VarId, Expr)>) -> Expr {
        self.out.jumps.push(Jump { target, value });
        let (id, marker) = (self.out.jumps.len() - 1, format_ident!("{JUMP}"));
        parse_quote!(#marker!(#id))
    }
}

/// The pattern that binds a name.
fn binding(ident: &Ident) -> Pat {
    Pat::Ident(syn::PatIdent {
        attrs: Vec::new(),
        by_ref: None,
        mutability: None,
        ident: ident.clone(),
        subpat: None,
    })
}

/// Whether a condition has a `let` in it.
fn has_let(cond: &Expr) -> bool {
    match cond {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

/// A pattern without the type annotation of its `let`.
fn without_type(pat: &Pat) -> Pat {
    match pat {
        Pat::Type(typed) => (*typed.pat).clone(),
        other => other.clone(),
    }
}
