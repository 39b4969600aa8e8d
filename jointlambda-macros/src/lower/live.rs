//! Which variables live where: backwards over every sequence, until nothing changes.
//!
//! A variable is live where it may still be read before it is assigned. Only live variables
//! travel. rustc has checked, on the plain function, that whatever is read has been assigned.

use syn::{Expr, Stmt};

use super::{
    Lowered, Op, Over, RegionId, SeqId, VarSet,
    mentions::{Mentions, Names},
};

/// Fills in what is live at the beginning of every state.
pub(super) fn analyse(lowered: &mut Lowered) {
    let names = lowered.names();
    loop {
        let mut changed = false;
        for &state in lowered.order.iter().rev() {
            let live = Live { lowered, names: &names }.seq(lowered.states[state].seq);
            if live != lowered.states[state].live_in {
                lowered.states[state].live_in = live;
                changed = true;
            }
        }
        if !changed {
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
}

impl Live<'_> {
    fn seq(&self, seq: SeqId) -> VarSet {
        self.lowered.seqs[seq].ops.iter().rev().fold(VarSet::new(), |after, op| self.op(op, after))
    }

    fn state(&self, state: usize) -> &VarSet {
        &self.lowered.states[state].live_in
    }

    /// What is live before an operation, given what is live after it.
    fn op(&self, op: &Op, mut after: VarSet) -> VarSet {
        match op {
            Op::Outcome { pat, .. } => {
                let bound = self.names.of_pat(pat).binds;
                after.retain(|var| !bound.contains(var));
                after
            }
            Op::Branches { var, .. } => {
                after.remove(var);
                after
            }
            Op::Glue(stmt) => self.glue(stmt, after),
            Op::If { cond, then, otherwise } => {
                let mut live = self.seq(*then);
                live.extend(self.seq(*otherwise));
                self.before(&self.names.of_expr(cond), live)
            }
            Op::Match { scrutinee, arms } => {
                let mut live = VarSet::new();
                for (pat, seq) in arms {
                    live.extend(self.before(&self.names.of_pat(pat), self.seq(*seq)));
                }
                self.before(&self.names.of_expr(scrutinee), live)
            }
            Op::Goto(target) => self.state(target.state).clone(),
            Op::Call { args, resume, .. } => args
                .iter()
                .fold(self.state(*resume).clone(), |live, arg| self.before(&self.names.of_expr(arg), live)),
            Op::Fork { over, resume, .. } => {
                let mut live = self.state(*resume).clone();
                match over {
                    Over::Items { items, pat, branch } => {
                        live.extend(self.before(&self.names.of_pat(pat), self.seq(*branch)));
                        self.before(&self.names.of_expr(items), live)
                    }
                    Over::Branches(branches) => {
                        for &branch in branches {
                            live.extend(self.seq(branch));
                        }
                        live
                    }
                }
            }
            Op::Return(expr) => self.before(&self.names.of_expr(expr), VarSet::new()),
        }
    }

    fn glue(&self, stmt: &Stmt, mut after: VarSet) -> VarSet {
        if let Stmt::Expr(Expr::Assign(assign), _) = stmt
            && let Some(var) =
                super::path_ident(&assign.left).and_then(|ident| self.names.find(&ident.to_string()))
        {
            after.remove(&var);
        }
        self.before(&self.names.of_stmt(stmt), after)
    }

    fn before(&self, glue: &Mentions, mut after: VarSet) -> VarSet {
        for &jump in &glue.jumps {
            let jump = &self.lowered.jumps[jump];
            let mut live = self.state(jump.target.state).clone();
            if let Some((var, value)) = &jump.value {
                live.remove(var);
                live = self.before(&self.names.of_expr(value), live);
            }
            after.extend(live);
        }
        after.extend(glue.reads.iter().copied());
        after.retain(|var| !glue.binds.contains(var));
        after
    }
}
