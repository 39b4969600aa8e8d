//! Placeholder for lowering: the workflow function's body → states.

use crate::{diagnostics::Diagnostics, model::Model};

/// A lowered workflow function.
#[derive(Debug)]
pub(crate) struct Lowered;

pub(crate) fn lower(_model: &Model, _diagnostics: &mut Diagnostics) -> Option<Lowered> {
    Some(Lowered)
}
