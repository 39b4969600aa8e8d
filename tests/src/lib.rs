//! Behaviour of workflows as a user sees it; the tests are in `it/` and `ui.rs`.
