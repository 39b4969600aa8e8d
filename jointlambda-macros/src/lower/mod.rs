//! The workflow function's body → a machine: states of straight-line glue, joined by calls.
//!
//! The passes, each whole before the next:
//! 1. [`rules`]: what only this crate can refuse in the body, all at once;
//! 2. [`rename`]: every binding gets a name of its own;
//! 3. [`build`]: control flow around calls becomes states; everything else stays as written;
//! 4. [`live`]: which variables live across which calls.
//!
//! Nothing here emits tokens of the expansion: that is `expand`.

mod arm;
mod build;
mod changes;
mod constructs;
mod flow;
mod format;
mod live;
mod mentions;
mod rename;
mod rules;

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use syn::{Expr, Item, Pat, Stmt, Type};

pub(crate) use arm::{Arm, arm_of, mentioned_in};
pub(crate) use live::{of_fork, of_region};

use crate::{diagnostics::Diagnostics, model::Model};

pub(crate) type StateId = usize;
pub(crate) type SeqId = usize;
pub(crate) type VarId = usize;
pub(crate) type NodeId = usize;
pub(crate) type RegionId = usize;
pub(crate) type JumpId = usize;
pub(crate) type VarSet = BTreeSet<VarId>;

/// The lowered workflow function.
#[derive(Debug, Default)]
pub(crate) struct Lowered {
    pub(crate) states: Vec<State>,
    /// The states in source order, in which the types of variables become known.
    pub(crate) order: Vec<StateId>,
    pub(crate) seqs: Vec<Seq>,
    pub(crate) vars: Vec<Var>,
    pub(crate) regions: Vec<Region>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) jumps: Vec<Jump>,
    /// The nodes that a run may begin with.
    pub(crate) first: Vec<NodeId>,
    pub(crate) outline: Vec<Outline>,
    /// Items declared in the body, visible in every state.
    pub(crate) items: Vec<Item>,
    /// The variables by name.
    names: mentions::Names,
}

/// A place where glue begins: the start, after an outcome, a merge, the head of a loop.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) seq: SeqId,
    pub(crate) region: RegionId,
    pub(crate) live_in: VarSet,
}

/// Straight-line glue. The last operation is the only one that leaves.
#[derive(Debug, Default)]
pub(crate) struct Seq {
    pub(crate) ops: Vec<Op>,
    pub(crate) region: RegionId,
}

#[derive(Debug)]
pub(crate) enum Op {
    /// `let PAT: TYPE = ` the outcome of the call, or the run's input.
    Outcome { pat: Pat, ty: Box<Type> },
    /// `let VAR = ` the outcomes of a fan-in.
    Branches { var: VarId, from: Outcomes },
    /// Glue as written.
    Glue(Stmt),
    /// `if`, with a `let` perhaps.
    If { cond: Expr, then: SeqId, otherwise: SeqId },
    /// `match`.
    Match { scrutinee: Expr, arms: Vec<(Pat, SeqId)> },
    /// The beginning of a turn of the loop inside this many others: its condition holds.
    BeginTurn(usize),
    /// On to another state.
    Goto(Target),
    /// A call.
    Call { node: NodeId, function: usize, args: Vec<Expr>, resume: StateId },
    /// A fan-out.
    Fork { node: NodeId, over: Over, resume: StateId },
    /// The end of the branch or run.
    Return(Expr),
}

/// How a fan-in's outcomes become one value.
#[derive(Debug)]
pub(crate) enum Outcomes {
    /// `fan_out`: a `Vec` of what the region returns; `try_fan_out`, `first_ok`: a `Result` of one.
    Map { region: RegionId, fallible: bool },
    /// `join!`: a tuple of what the regions return; `try_join!`: a `Result` of one.
    Tuple { regions: Vec<RegionId>, fallible: bool },
    /// `race!`: what one of the regions returns.
    Winner { regions: Vec<RegionId> },
}

/// What a fan-out runs over.
#[derive(Debug)]
pub(crate) enum Over {
    /// One branch per element; for `first_ok`, of a tuple of how many and the elements.
    Items { items: Box<Expr>, pat: Box<Pat>, branch: SeqId },
    /// These branches.
    Branches(Vec<SeqId>),
}

/// A state to go to, and what happens to the loop counters on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) state: StateId,
    pub(crate) turns: Turns,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Turns {
    Keep,
    /// Enter a loop inside this many others.
    Enter(usize),
    /// Begin the next turn of the loop inside this many others.
    Next(usize),
    /// Leave all loops but this many.
    Leave(usize),
}

/// A `break` or `continue` of a lowered loop in the midst of glue; `__jointlambda_jump!(id)`
/// stands for it.
#[derive(Debug)]
pub(crate) struct Jump {
    pub(crate) target: Target,
    pub(crate) value: Option<(VarId, Expr)>,
}

/// The name of the marker that stands for a [`Jump`].
pub(crate) const JUMP: &str = "__jointlambda_jump";

/// A variable: the user's, or a temporary of ours.
#[derive(Debug)]
pub(crate) struct Var {
    pub(crate) ident: Ident,
    pub(crate) mutable: bool,
    pub(crate) ty: Option<Type>,
    /// Where it is declared.
    pub(crate) region: RegionId,
    /// Whether it visibly holds a borrow.
    pub(crate) borrows: bool,
    /// The name that the user gave it; `None` for a temporary.
    pub(crate) user: Option<String>,
}

/// The workflow function itself (0), or the body of a branch.
#[derive(Debug)]
pub(crate) struct Region {
    pub(crate) parent: Option<RegionId>,
    /// The declared type of what it returns.
    pub(crate) output: Option<Type>,
    /// Where it is written.
    pub(crate) span: Span,
    /// Whether it is a branch whose fan-in waits for the first that are `Ok`.
    pub(crate) is_counted: bool,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    pub(crate) resume: StateId,
    pub(crate) tail: bool,
    pub(crate) pure: bool,
    pub(crate) next: Vec<NodeId>,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Call {
        function: usize,
    },
    Join {
        /// The cloud where most branches end.
        home: usize,
        branches: Option<usize>,
        /// How many `Ok` it waits for, as written, if not for all branches.
        first: Option<String>,
    },
}

/// The shape of the function, for drawing.
#[derive(Debug)]
pub(crate) enum Outline {
    Call(NodeId),
    Map { node: NodeId, over: String, body: Vec<Outline> },
    Join { node: NodeId, branches: Vec<Vec<Outline>> },
    Choice { on: String, arms: Vec<(String, Vec<Outline>)> },
    Loop { head: String, body: Vec<Outline> },
    Return,
}

/// Lowers the workflow function; `None` when something was refused.
pub(crate) fn lower(model: &Model, diagnostics: &mut Diagnostics) -> Option<Lowered> {
    let mut body = model.workflow.body.clone();
    rules::check(model, &mut body, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }
    let mut params: Vec<Pat> = model.workflow.params.iter().map(|param| param.pat.clone()).collect();
    let constructs = ["fan_out", "try_fan_out", "first_ok"].map(str::to_owned);
    let functions = model.functions.iter().map(|function| format::unraw(&function.ident));

    let vars = rename::rename(&mut params, &mut body, &functions.chain(constructs).collect());
    let mut lowered = build::build(model, params, &body, vars);
    live::analyse(&mut lowered);
    flow::analyse(model, &mut lowered);
    rules::check_borrows(&lowered, diagnostics);
    rules::check_items(&lowered, diagnostics);
    diagnostics.is_empty().then_some(lowered)
}

/// The identifier of a single-segment path.
pub(crate) fn path_ident(expr: &Expr) -> Option<&Ident> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => path.path.get_ident(),
        Expr::Paren(paren) => path_ident(&paren.expr),
        Expr::Group(group) => path_ident(&group.expr),
        _ => None,
    }
}

/// An expression without the parentheses around it.
pub(crate) fn unwrapped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => unwrapped(&paren.expr),
        Expr::Group(group) => unwrapped(&group.expr),
        other => other,
    }
}

/// Whether an operator assigns: `+=` and the like.
fn is_compound(op: &syn::BinOp) -> bool {
    use syn::BinOp::*;
    matches!(
        op,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | DivAssign(_)
            | RemAssign(_)
            | BitXorAssign(_)
            | BitAndAssign(_)
            | BitOrAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}
