//! What one state mentions, in all the sequences that are written in its place.

use super::{
    Lowered, Op, Over, SeqId, StateId, VarSet,
    mentions::{Mentions, Names},
};

/// What a state's code does with variables, and the states that it goes on to.
#[derive(Debug, Default)]
pub(crate) struct Arm {
    /// Read, assigned, or bound to a value.
    pub(crate) mentions: VarSet,
    /// Bound to a value.
    pub(crate) binds: VarSet,
    /// Declared without one.
    pub(crate) declares: VarSet,
    pub(crate) gotos: Vec<StateId>,
}

/// Gathers what a state mentions.
pub(crate) fn arm_of(lowered: &Lowered, state: StateId) -> Arm {
    let mut gather = Gather { lowered, names: &lowered.names, arm: Arm::default() };
    gather.seq(lowered.states[state].seq);
    gather.arm
}

/// The variables that a sequence mentions, branches inside included.
pub(crate) fn mentioned_in(lowered: &Lowered, seq: SeqId) -> VarSet {
    let mut gather = Gather { lowered, names: &lowered.names, arm: Arm::default() };
    gather.seq(seq);
    gather.arm.mentions
}

struct Gather<'a> {
    lowered: &'a Lowered,
    names: &'a Names,
    arm: Arm,
}

impl Gather<'_> {
    fn seq(&mut self, seq: SeqId) {
        for op in &self.lowered.seqs[seq].ops {
            self.op(op);
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Outcome { pat, .. } => self.note(&self.names.of_pat(pat)),
            Op::Branches { var, .. } => self.bind(*var),
            Op::Glue(syn::Stmt::Local(local)) if local.init.is_none() => {
                self.arm.declares.extend(self.names.of_pat(&local.pat).binds);
            }
            Op::Glue(stmt) => self.note(&self.names.of_stmt(stmt)),
            Op::If { cond, then, otherwise } => {
                self.note(&self.names.of_expr(cond));
                self.seq(*then);
                self.seq(*otherwise);
            }
            Op::Match { scrutinee, arms } => {
                self.note(&self.names.of_expr(scrutinee));
                for (pat, seq) in arms {
                    self.note(&self.names.of_pat(pat));
                    self.seq(*seq);
                }
            }
            Op::BeginTurn(_) => {}
            Op::Goto(target) => self.arm.gotos.push(target.state),
            Op::Call { args, .. } => args.iter().for_each(|arg| self.note(&self.names.of_expr(arg))),
            Op::Fork { over: Over::Items { items, pat, branch }, .. } => {
                self.note(&self.names.of_expr(items));
                self.note(&self.names.of_pat(pat));
                self.seq(*branch);
            }
            Op::Fork { over: Over::Branches(branches), .. } => {
                branches.iter().for_each(|&branch| self.seq(branch))
            }
            Op::Return(expr) => self.note(&self.names.of_expr(expr)),
        }
    }

    fn bind(&mut self, var: usize) {
        self.arm.binds.insert(var);
        self.arm.mentions.insert(var);
    }

    fn note(&mut self, glue: &Mentions) {
        self.arm.mentions.extend(glue.reads.iter().chain(&glue.assigns));
        for &var in &glue.binds {
            self.bind(var);
        }
        for &jump in &glue.jumps {
            let jump = &self.lowered.jumps[jump];
            self.arm.gotos.push(jump.target.state);
            if let Some((var, value)) = &jump.value {
                self.bind(*var);
                self.note(&self.names.of_expr(value));
            }
        }
    }
}
