//! Whether what an envelope or row says can come from a definition: both are untrusted, and every
//! index in them is checked before it is used.

use super::{Batch, Call, Continuation, Envelope, Fork, Frame, MAX_DEPTH, Task, Vars};
use crate::{
    batch::rows::is_row,
    definition::{Definition, NodeIndex, NodeKind},
    join::WIDTH,
};

/// How many nested loops may surround a node, per fan-out.
const MAX_LOOPS: usize = 32;

/// How many variables a call or a frame may carry: as many as a workflow function may have.
const MAX_VARS: usize = u16::MAX as usize;

impl Envelope {
    pub(super) fn check(&self, definition: &Definition) -> Result<(), &'static str> {
        if self.frames.len() > MAX_DEPTH {
            return Err("its fan-outs are nested too deep");
        }
        for frame in &self.frames {
            frame.check(definition)?;
        }
        match &self.task {
            Task::Call(call) => call.check(definition),
            Task::Relay(relay) if relay.frame.first.is_some() => Err("a few branches are not relayed"),
            Task::Relay(relay) => relay.frame.check(definition),
            Task::Batch(batch) => batch.check(definition),
        }
    }
}

impl Batch {
    fn check(&self, definition: &Definition) -> Result<(), &'static str> {
        let function = definition.functions.get(usize::from(self.function));
        if function.is_none_or(|function| function.batch.is_none()) {
            return Err("it names a function without batches");
        }
        if !is_row(self.index) {
            return Err("a batch index is out of range");
        }
        Ok(())
    }
}

impl Frame {
    fn check(&self, definition: &Definition) -> Result<(), &'static str> {
        if self.index >= self.of {
            return Err("a branch index is out of range");
        }
        check_fan_out(definition, self.join, &self.turns, self.of as usize, &self.vars, self.first)
    }
}

fn check_fan_out(
    definition: &Definition,
    join: NodeIndex,
    turns: &[u32],
    of: usize,
    vars: &Vars,
    first: Option<u32>,
) -> Result<(), &'static str> {
    let node = definition.node(join).ok_or("it names an unknown fan-in")?;
    let NodeKind::Join { first: waits_for_first, .. } = node.kind else {
        return Err("it names a call where a fan-in belongs");
    };
    if first.is_some() != waits_for_first.is_some() {
        return Err("its fan-in waits for other branches");
    }
    if first.is_some_and(|first| first as usize > of || of > WIDTH as usize || (first == 0) != (of == 0)) {
        return Err("its fan-in waits for a number of branches that is out of range");
    }
    if of > definition.max_branches as usize {
        return Err("it has too many branches");
    }
    check_turns(turns, definition)?;
    check_vars(vars)
}

impl Continuation {
    /// Whether the continuation can come from `definition`, inside `depth` fan-outs; `is_counted`
    /// says whether the innermost tells `Ok` from `Err`.
    pub(crate) fn check(
        &self,
        definition: &Definition,
        depth: usize,
        is_counted: bool,
    ) -> Result<(), &'static str> {
        match self {
            Continuation::Call(call) => call.check(definition),
            Continuation::Err(_) if !is_counted => Err("it ends in an `Err` that nobody counts"),
            Continuation::Return(_) | Continuation::Err(_) => Ok(()),
            Continuation::Fork(_) if depth >= MAX_DEPTH => Err("its fan-outs are nested too deep"),
            Continuation::Fork(fork) => {
                let Fork { join, turns, vars, branches, first } = fork;
                check_fan_out(definition, *join, turns, branches.len(), vars, *first)?;
                branches.iter().try_for_each(|branch| branch.check(definition, depth + 1, first.is_some()))
            }
        }
    }
}

impl Call {
    /// Whether the call can come from `definition`.
    pub(crate) fn check(&self, definition: &Definition) -> Result<(), &'static str> {
        let node = definition.node(self.node).ok_or("it names an unknown call site")?;
        if !matches!(node.kind, NodeKind::Call { .. }) {
            return Err("it names a fan-in where a call belongs");
        }
        if self.gathers.is_some_and(|row| !is_row(row)) {
            return Err("a batch index is out of range");
        }
        check_turns(&self.turns, definition)?;
        check_vars(&self.vars)
    }
}

/// Variables are in order, so that none is there twice.
fn check_vars(vars: &Vars) -> Result<(), &'static str> {
    if vars.len() > MAX_VARS || !vars.is_sorted_by(|(one, _), (other, _)| one < other) {
        return Err("its variables are not in order");
    }
    Ok(())
}

/// A condition is evaluated once more than its loop turns: a call in it carries that counter.
fn check_turns(turns: &[u32], definition: &Definition) -> Result<(), &'static str> {
    if turns.len() > MAX_LOOPS || turns.iter().any(|&turn| turn > definition.max_turns) {
        return Err("a loop counter is out of range");
    }
    Ok(())
}
