//! The hash of a definition: over what names, homes and encodings follow from, and nothing else.
//!
//! Two deployments of one hash replace one another under the runs in flight, so the hash covers
//! whatever one copy of a run must know as another does: the clouds and where rows live, the
//! bounds, the glue, and the tables that it was lowered to. What may change under a run is not in
//! it: bodies of functions, memory, timeouts, CPUs, GPUs, retries, and
//! - `failover`: rows live in the table of `on`, wherever a copy runs;
//! - `dedupe`: it orders a read and a call, and no name follows from it.
//!
//! Types are written as tokens here. The runtime adds their shapes, and its own formats.

mod normal;

use std::fmt::Write;

use crate::{
    lower::{Lowered, NodeKind},
    model::{Batch, Cloud, Model, Workflow},
};

/// The tables of the glue that the runtime uses.
pub(crate) struct Tables {
    /// Per state, the variables that are read from there on.
    pub(crate) reads: Vec<Vec<u16>>,
    /// The names of the variables.
    pub(crate) vars: Vec<String>,
}

/// The static part of the definition's hash.
pub(crate) fn hash(model: &Model, lowered: &Lowered, tables: &Tables) -> u64 {
    fnv1a(&text(model, lowered, tables))
}

/// The text that the hash is taken of: one line for each fact, injective. Whatever a user typed in
/// another way (`"1m"`, `"60s"`) is the same here.
pub(crate) fn text(model: &Model, lowered: &Lowered, tables: &Tables) -> String {
    let mut text = String::new();
    sources(&mut text, model);
    for node in &lowered.nodes {
        let crate::lower::Node { name, kind, resume, tail, pure, next } = node;
        let kind = match kind {
            NodeKind::Call { function } => format!("call {function}"),
            // How many `Ok` it waits for is an expression of the body.
            NodeKind::Join { home, branches, first } => {
                format!("join home {home} branches {branches:?} first {}", first.is_some())
            }
        };
        _ = writeln!(text, "node {name} {kind} resume {resume} tail {tail} pure {pure} next {next:?}");
    }
    _ = writeln!(text, "first {:?}", lowered.first);
    _ = writeln!(text, "vars {:?}", tables.vars);
    _ = writeln!(text, "reads {:?}", tables.reads);
    text
}

/// What the user wrote.
fn sources(text: &mut String, model: &Model) {
    for Cloud { ident, provider, region } in &model.clouds {
        _ = writeln!(text, "cloud {ident} {provider:?} {:?}", region.value());
    }
    let Workflow { sig, body, max_turns, max_branches, max_calls, version, .. } = &model.workflow;
    _ = writeln!(text, "home {}", model.workflow.home());
    _ = writeln!(text, "bounds {max_turns} {max_branches} {max_calls}");
    _ = writeln!(text, "version {version:?}");
    _ = writeln!(text, "workflow {} {}", normal::signature(sig), normal::block(body));
    for function in &model.functions {
        let placement = &function.placement;
        _ = writeln!(text, "function {} on {}", normal::signature(&function.sig), placement.on);
        // Rows of a batch are named by the time in units of `wait`, and have `size` slots.
        if let Some(Batch { size, wait_ms }) = placement.batch {
            _ = writeln!(text, "batch {size} {wait_ms}");
        }
    }
}

/// FNV-1a, 64 bits: stable across compilers, unlike `std`'s hasher.
fn fnv1a(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
