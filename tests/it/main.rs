//! Behaviour of workflows on the embedded clouds.
mod sequence;
