//! Which variables live where: backwards over every sequence, until nothing changes.
//!
//! A variable is live where it may still be read before it is assigned. Only live variables
//! travel. rustc has checked, on the plain function, that whatever is read has been assigned; as
//! this follows the same paths, a live variable always has a value.

use syn::{
    Block, Expr, Stmt,
    visit::{self, Visit},
};

use super::{
    JumpId, Lowered, Op, Over, RegionId, SeqId, VarSet,
    format::{self, diverges},
    mentions::{Mentions, Names, jump_of, targets},
};

/// Fills in what is live at the beginning of every state.
pub(super) fn analyse(lowered: &mut Lowered) {
    let names = std::mem::take(&mut lowered.names);
    loop {
        let mut changed = false;
        for &state in lowered.order.iter().rev() {
            let live = Live { lowered, names: &names, around: Vec::new() }.seq(lowered.states[state].seq);
            if live != lowered.states[state].live_in {
                lowered.states[state].live_in = live;
                changed = true;
            }
        }
        if !changed {
            lowered.names = names;
            return;
        }
    }
}

/// The variables of `region` itself, not of those around it.
pub(crate) fn of_region(lowered: &Lowered, live: &VarSet, region: RegionId) -> VarSet {
    live.iter().copied().filter(|&var| lowered.vars[var].region == region).collect()
}

/// The variables that a fan-out in `region` must hand on: to states of its branches, and to the
/// code after the join.
pub(crate) fn of_fork(lowered: &Lowered, region: RegionId, over: &Over, resume: usize) -> VarSet {
    let branches: Vec<RegionId> = match over {
        Over::Items { branch, .. } => vec![lowered.seqs[*branch].region],
        Over::Branches(seqs) => seqs.iter().map(|&seq| lowered.seqs[seq].region).collect(),
    };
    let mut live = lowered.states[resume].live_in.clone();
    for &state in &lowered.order {
        let state = &lowered.states[state];
        if branches.iter().any(|&branch| is_within(lowered, state.region, branch)) {
            live.extend(state.live_in.iter().copied());
        }
    }
    of_region(lowered, &live, region)
}

fn is_within(lowered: &Lowered, mut region: RegionId, outer: RegionId) -> bool {
    loop {
        if region == outer {
            return true;
        }
        match lowered.regions[region].parent {
            Some(parent) => region = parent,
            None => return false,
        }
    }
}

struct Live<'a> {
    lowered: &'a Lowered,
    names: &'a Names,
    /// The loops and labelled blocks of the glue itself, innermost last.
    around: Vec<Around>,
}

/// What is live where a jump inside the glue goes.
struct Around {
    label: Option<String>,
    breaks_to: VarSet,
    /// `None` for a labelled block.
    continues_to: Option<VarSet>,
}

impl Live<'_> {
    fn seq(&mut self, seq: SeqId) -> VarSet {
        let lowered = self.lowered;
        lowered.seqs[seq].ops.iter().rev().fold(VarSet::new(), |after, op| self.op(op, after))
    }

    fn state(&self, state: usize) -> &VarSet {
        &self.lowered.states[state].live_in
    }

    /// What is live before an operation, given what is live after it.
    fn op(&mut self, op: &Op, mut after: VarSet) -> VarSet {
        match op {
            Op::Outcome { pat, .. } => self.bound(&self.names.of_pat(pat), after),
            Op::Branches { var, .. } => {
                after.remove(var);
                after
            }
            Op::Glue(stmt) => self.stmt(stmt, after),
            Op::If { cond, then, otherwise } => {
                let mut live = self.seq(*then);
                live.extend(self.seq(*otherwise));
                self.expr(cond, live)
            }
            Op::Match { scrutinee, arms } => {
                let mut live = VarSet::new();
                for (pat, seq) in arms {
                    let arm = self.seq(*seq);
                    live.extend(self.bound(&self.names.of_pat(pat), arm));
                }
                self.expr(scrutinee, live)
            }
            Op::BeginTurn(_) => after,
            Op::Goto(target) => self.state(target.state).clone(),
            Op::Call { args, resume, .. } => {
                let live = self.state(*resume).clone();
                args.iter().rev().fold(live, |live, arg| self.expr(arg, live))
            }
            Op::Fork { over, resume, .. } => {
                let mut live = self.state(*resume).clone();
                match over {
                    Over::Items { items, pat, branch } => {
                        let inside = self.seq(*branch);
                        live.extend(self.bound(&self.names.of_pat(pat), inside));
                        self.expr(items, live)
                    }
                    Over::Branches(branches) => {
                        for &branch in branches {
                            live.extend(self.seq(branch));
                        }
                        live
                    }
                }
            }
            Op::Return(expr) => self.expr(expr, VarSet::new()),
        }
    }

    /// Before a pattern: what it binds is not live, what its guard reads is.
    fn bound(&self, pat: &Mentions, mut after: VarSet) -> VarSet {
        for &jump in &pat.jumps {
            after.extend(self.state(self.lowered.jumps[jump].target.state).iter().copied());
        }
        after.extend(pat.reads.iter().copied());
        after.retain(|var| !pat.binds.contains(var));
        after
    }

    fn block(&mut self, block: &Block, after: VarSet) -> VarSet {
        block.stmts.iter().rev().fold(after, |after, stmt| self.stmt(stmt, after))
    }

    fn stmt(&mut self, stmt: &Stmt, after: VarSet) -> VarSet {
        match stmt {
            Stmt::Local(local) => {
                let mut live = self.bound(&self.names.of_pat(&local.pat), after);
                let Some(init) = &local.init else { return live };
                if let Some((_, diverge)) = &init.diverge {
                    live.extend(self.expr(diverge, VarSet::new()));
                }
                self.expr(&init.expr, live)
            }
            Stmt::Expr(expr, _) => self.expr(expr, after),
            Stmt::Item(_) => after,
            Stmt::Macro(_) => {
                let mut live = after;
                live.extend(self.names.of_stmt(stmt).reads);
                live
            }
        }
    }

    fn expr(&mut self, expr: &Expr, mut after: VarSet) -> VarSet {
        match expr {
            Expr::Path(_) => {
                after.extend(self.names.of_path(expr));
                after
            }
            Expr::Assign(assign) => {
                for target in targets(&assign.left).into_iter().rev() {
                    match self.names.of_path(target) {
                        Some(var) => {
                            after.remove(&var);
                        }
                        None => after = self.expr(target, after),
                    }
                }
                self.expr(&assign.right, after)
            }
            Expr::Binary(binary) if matches!(binary.op, syn::BinOp::And(_) | syn::BinOp::Or(_)) => {
                let mut live = self.expr(&binary.right, after.clone());
                live.extend(after);
                self.expr(&binary.left, live)
            }
            Expr::Let(condition) => {
                let live = self.bound(&self.names.of_pat(&condition.pat), after);
                self.expr(&condition.expr, live)
            }
            Expr::If(branch) => {
                let mut live = self.block(&branch.then_branch, after.clone());
                live.extend(match &branch.else_branch {
                    Some((_, otherwise)) => self.expr(otherwise, after),
                    None => after,
                });
                self.expr(&branch.cond, live)
            }
            Expr::Match(branch) => {
                let mut live = VarSet::new();
                for arm in &branch.arms {
                    let body = self.expr(&arm.body, after.clone());
                    live.extend(self.bound(&self.names.of_pat(&arm.pat), body));
                }
                self.expr(&branch.expr, live)
            }
            Expr::Block(block) if block.label.is_some() => {
                self.inside(&block.label, after.clone(), None, |this| this.block(&block.block, after))
            }
            Expr::Block(block) => self.block(&block.block, after),
            Expr::Unsafe(block) => self.block(&block.block, after),
            Expr::Loop(looped) => self.turning(|this, head| {
                this.inside(&looped.label, after.clone(), Some(head.clone()), |this| {
                    this.block(&looped.body, head)
                })
            }),
            Expr::While(looped) => self.turning(|this, head| {
                let mut live = this.inside(&looped.label, after.clone(), Some(head.clone()), |this| {
                    this.block(&looped.body, head)
                });
                live.extend(after.iter().copied());
                this.expr(&looped.cond, live)
            }),
            Expr::ForLoop(looped) => {
                let head = self.turning(|this, head| {
                    let body = this.inside(&looped.label, after.clone(), Some(head.clone()), |this| {
                        this.block(&looped.body, head)
                    });
                    let mut live = this.bound(&this.names.of_pat(&looped.pat), body);
                    live.extend(after.iter().copied());
                    live
                });
                self.expr(&looped.expr, head)
            }
            Expr::Break(jump) => {
                let target = self.find(jump.label.as_ref());
                let live = target.map(|around| around.breaks_to.clone()).unwrap_or_default();
                jump.expr.iter().fold(live, |live, value| self.expr(value, live))
            }
            Expr::Continue(jump) => self
                .find(jump.label.as_ref())
                .and_then(|around| around.continues_to.clone())
                .unwrap_or_default(),
            Expr::Return(returned) => {
                returned.expr.iter().fold(VarSet::new(), |live, value| self.expr(value, live))
            }
            Expr::Closure(_) | Expr::Async(_) => {
                let inside = self.names.of_expr(expr);
                after.extend(inside.reads.difference(&inside.binds));
                after
            }
            Expr::Macro(mac) => match jump_of(&mac.mac) {
                Some(jump) => self.jump(jump),
                None => {
                    after.extend(self.names.of_expr(expr).reads);
                    after
                }
            },
            Expr::Call(call) if format::macro_name(call).is_some() => {
                let name = format::macro_name(call).unwrap_or_default();
                if diverges(&name) {
                    after.clear();
                }
                let (strings, named) = format::strings(&name, &call.args);
                for name in strings.flat_map(|(_, text)| format::captured(text)) {
                    after.extend(self.names.find(&name).filter(|_| !named.contains(&name)));
                }
                call.args.iter().rev().fold(after, |live, arg| match arg {
                    Expr::Assign(named) if super::path_ident(&named.left).is_some() => {
                        self.expr(&named.right, live)
                    }
                    arg => self.expr(arg, live),
                })
            }
            other => children(other).into_iter().rev().fold(after, |live, child| self.expr(child, live)),
        }
    }

    fn jump(&mut self, jump: JumpId) -> VarSet {
        let lowered = self.lowered;
        let jump = &lowered.jumps[jump];
        let mut live = self.state(jump.target.state).clone();
        if let Some((var, value)) = &jump.value {
            live.remove(var);
            live = self.expr(value, live);
        }
        live
    }

    fn inside(
        &mut self,
        label: &Option<syn::Label>,
        breaks_to: VarSet,
        continues_to: Option<VarSet>,
        body: impl FnOnce(&mut Self) -> VarSet,
    ) -> VarSet {
        let label = label.as_ref().map(|label| label.name.ident.to_string());
        self.around.push(Around { label, breaks_to, continues_to });
        let live = body(self);
        self.around.pop();
        live
    }

    /// What is live at the head of a loop, which its end leads back to.
    fn turning(&mut self, mut body: impl FnMut(&mut Self, VarSet) -> VarSet) -> VarSet {
        let mut head = VarSet::new();
        loop {
            let live = body(self, head.clone());
            if live.is_subset(&head) {
                return head;
            }
            head.extend(live);
        }
    }

    fn find(&self, label: Option<&syn::Lifetime>) -> Option<&Around> {
        self.around.iter().rev().find(|around| match label {
            Some(label) => around.label.as_deref() == Some(&*label.ident.to_string()),
            None => around.continues_to.is_some(),
        })
    }
}

/// The expressions right inside an expression, in source order.
fn children(expr: &Expr) -> Vec<&Expr> {
    struct Children<'a>(Vec<&'a Expr>);
    impl<'a> Visit<'a> for Children<'a> {
        fn visit_expr(&mut self, expr: &'a Expr) {
            self.0.push(expr);
        }
        fn visit_type(&mut self, _: &'a syn::Type) {}
        fn visit_path(&mut self, _: &'a syn::Path) {}
    }
    let mut children = Children(Vec::new());
    visit::visit_expr(&mut children, expr);
    children.0
}
