//! Everything that generated code may name. Not for users: it changes without notice.

pub use crate::plain::AllOk;
pub use futures_util::join;
