//! What can follow each node: its successors, whether it ends its branch, whether its fan-in may
//! be repeated; and the cloud where a fan-in's rows belong.

use std::collections::BTreeSet;

use syn::{Expr, Stmt};

use super::{JumpId, Lowered, NodeId, NodeKind, Op, Over, RegionId, SeqId, StateId, VarSet};
use crate::model::Model;

/// Fills in the nodes' facts and the first nodes of a run.
pub(super) fn analyse(model: &Model, lowered: &mut Lowered) {
    for id in 0..lowered.nodes.len() {
        let resume = lowered.nodes[id].resume;
        let mut reach = Reach::new(lowered);
        reach.state(resume);
        let (next, tail) = (reach.nodes, !reach.goes_on);
        // Which branches were first differs from copy to copy.
        let waits_for_all = matches!(lowered.nodes[id].kind, NodeKind::Join { first: None, .. });
        let pure = waits_for_all && is_pure(lowered, resume);
        let node = &mut lowered.nodes[id];
        node.next = next.into_iter().collect();
        node.tail = tail;
        node.pure = pure;
    }
    for (node, home) in join_homes(model, lowered) {
        if let NodeKind::Join { home: at, .. } = &mut lowered.nodes[node].kind {
            *at = home;
        }
    }
    let mut reach = Reach::new(lowered);
    reach.state(0);
    lowered.first = reach.nodes.into_iter().collect();
}

/// What glue can lead to without another call.
struct Reach<'a> {
    lowered: &'a Lowered,
    seen: BTreeSet<StateId>,
    nodes: BTreeSet<NodeId>,
    /// Whether it may be anything but the end of the branch.
    goes_on: bool,
}

impl<'a> Reach<'a> {
    fn new(lowered: &'a Lowered) -> Self {
        Reach { lowered, seen: BTreeSet::new(), nodes: BTreeSet::new(), goes_on: false }
    }

    fn state(&mut self, state: StateId) {
        if self.seen.insert(state) {
            self.seq(self.lowered.states[state].seq);
        }
    }

    fn jump(&mut self, jump: JumpId) {
        let jump = &self.lowered.jumps[jump];
        self.state(jump.target.state);
        if let Some((_, value)) = &jump.value {
            let names = super::mentions::Names::new(&[]);
            names.of_expr(value).jumps.into_iter().for_each(|jump| self.jump(jump));
        }
    }

    fn seq(&mut self, seq: SeqId) {
        for op in &self.lowered.seqs[seq].ops {
            match op {
                Op::Glue(_) | Op::Outcome { .. } | Op::Branches { .. } | Op::BeginTurn(_) | Op::Return(_) => {
                }
                Op::If { then, otherwise, .. } => {
                    self.seq(*then);
                    self.seq(*otherwise);
                }
                Op::Match { arms, .. } => arms.iter().for_each(|(_, seq)| self.seq(*seq)),
                Op::Goto(target) => self.state(target.state),
                Op::Call { node, .. } => {
                    self.goes_on = true;
                    self.nodes.insert(*node);
                }
                Op::Fork { node, over, .. } => {
                    self.goes_on = true;
                    self.nodes.insert(*node);
                    match over {
                        Over::Items { branch, .. } => self.seq(*branch),
                        Over::Branches(branches) => branches.iter().for_each(|&branch| self.seq(branch)),
                    }
                }
            }
            for jump in jumps_of(op) {
                self.jump(jump);
            }
        }
    }
}

/// The jumps in the glue of an operation.
fn jumps_of(op: &Op) -> Vec<JumpId> {
    let names = super::mentions::Names::new(&[]);
    let found = match op {
        Op::Glue(stmt) => names.of_stmt(stmt).jumps,
        Op::Match { scrutinee, arms } => {
            let guards = arms.iter().flat_map(|(pat, _)| names.of_pat(pat).jumps);
            names.of_expr(scrutinee).jumps.into_iter().chain(guards).collect()
        }
        Op::If { cond: expr, .. } | Op::Return(expr) => names.of_expr(expr).jumps,
        Op::Call { args, .. } => args.iter().flat_map(|arg| names.of_expr(arg).jumps).collect(),
        Op::Fork { over: Over::Items { items, .. }, .. } => names.of_expr(items).jumps,
        _ => BTreeSet::new(),
    };
    found.into_iter().collect()
}

/// Whether the glue of a state is the same for all copies: it only moves values about.
fn is_pure(lowered: &Lowered, state: StateId) -> bool {
    lowered.seqs[lowered.states[state].seq].ops.iter().all(|op| match op {
        Op::Branches { .. } => true,
        Op::Glue(Stmt::Local(local)) => {
            local.init.as_ref().is_some_and(|init| init.diverge.is_none() && moves_only(&init.expr))
        }
        Op::Return(expr) => moves_only(expr),
        Op::Call { args, .. } => args.iter().all(moves_only),
        _ => false,
    })
}

fn moves_only(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) | Expr::Path(_) => true,
        Expr::Paren(inner) => moves_only(&inner.expr),
        Expr::Try(inner) => moves_only(&inner.expr),
        Expr::Field(inner) => moves_only(&inner.base),
        Expr::Reference(inner) => moves_only(&inner.expr),
        Expr::Tuple(tuple) => tuple.elems.iter().all(moves_only),
        Expr::Call(call) => {
            let wraps = super::path_ident(&call.func)
                .is_some_and(|i| ["Ok", "Err", "Some"].iter().any(|name| i == name));
            wraps && call.args.iter().all(moves_only)
        }
        Expr::MethodCall(call) => {
            call.method == "clone" && call.args.is_empty() && moves_only(&call.receiver)
        }
        _ => false,
    }
}

/// Per fan-in: the cloud where most of its branches end, the first of them when several do.
fn join_homes(model: &Model, lowered: &Lowered) -> Vec<(NodeId, usize)> {
    let mut homes = Vec::new();
    for seq in &lowered.seqs {
        for op in &seq.ops {
            let Op::Fork { node, over, .. } = op else { continue };
            let branches = match over {
                Over::Items { branch, .. } => vec![*branch],
                Over::Branches(branches) => branches.clone(),
            };
            let mut votes = vec![0; model.clouds.len()];
            for branch in branches {
                for cloud in ends_on(model, lowered, lowered.seqs[branch].region) {
                    votes[cloud] += 1;
                }
            }
            let most = votes.iter().copied().max().unwrap_or(0);
            homes.push((*node, votes.iter().position(|&count| count == most).unwrap_or(0)));
        }
    }
    homes
}

/// The clouds of the calls after which a region may return.
fn ends_on(model: &Model, lowered: &Lowered, region: RegionId) -> BTreeSet<usize> {
    let mut clouds = BTreeSet::new();
    for node in &lowered.nodes {
        let NodeKind::Call { function } = node.kind else { continue };
        if lowered.states[node.resume].region == region && (node.tail || returns(lowered, node.resume)) {
            clouds.insert(model.functions[function].placement.on);
        }
    }
    clouds
}

fn returns(lowered: &Lowered, state: StateId) -> bool {
    fn seq_returns(lowered: &Lowered, seq: SeqId, seen: &mut VarSet) -> bool {
        lowered.seqs[seq].ops.iter().any(|op| match op {
            Op::Return(_) => true,
            Op::If { then, otherwise, .. } => {
                seq_returns(lowered, *then, seen) || seq_returns(lowered, *otherwise, seen)
            }
            Op::Match { arms, .. } => arms.iter().any(|(_, seq)| seq_returns(lowered, *seq, seen)),
            Op::Goto(target) => {
                seen.insert(target.state) && seq_returns(lowered, lowered.states[target.state].seq, seen)
            }
            _ => false,
        })
    }
    seq_returns(lowered, lowered.states[state].seq, &mut VarSet::new())
}
