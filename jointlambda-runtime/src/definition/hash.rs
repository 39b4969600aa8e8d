//! The hash of a definition, in full: what the macros hash, the shapes of the types that travel, and
//! the formats of this runtime.

use sha2::{Digest, Sha256};

use super::Definition;
use crate::{
    machine::{Input, Machine, SHAPES, Step, Workflow},
    shape::Shapes,
};

/// The version of what this runtime writes: rows, envelopes, tables of the glue. It is raised whenever
/// one of them changes its form or its meaning, so that runs in flight end on what they began on.
pub(crate) const FORMATS: u32 = 2;

/// The tables of `W` with the hash in full. It is the work of microseconds to milliseconds, done once
/// a process.
pub fn hashed<W: Workflow>(tables: &'static Definition) -> Definition {
    let mut digest = Sha256::new();
    digest.update(FORMATS.to_be_bytes());
    digest.update(tables.hash.to_be_bytes());
    digest.update(shapes::<W>(tables));
    let whole: [u8; 32] = digest.finalize().into();
    let (first, _) = whole.split_first_chunk().expect("a digest has more bytes than a hash");
    Definition { hash: u64::from_be_bytes(*first), ..*tables }
}

/// The shapes of what the workflow and its functions take and return, of the variables that live across calls, and of what
/// branches return.
fn shapes<W: Workflow>(tables: &'static Definition) -> [u8; 32] {
    let mut shapes = Shapes::new();
    shapes.of::<W::Input>();
    shapes.of::<W::Output>();
    W::shapes(&mut shapes);
    let mut machine = Machine::new(tables, W::code(), SHAPES, Input::Branches(Vec::new()));
    if let Ok(Step::Shapes(all)) = (W::code().glue)(&mut machine) {
        all.into_iter().for_each(|add| add(&mut shapes));
    }
    shapes.finish()
}
