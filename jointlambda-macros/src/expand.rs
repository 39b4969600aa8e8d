//! Placeholder for expansion: valid model → tokens, beside the user's own items.

use proc_macro2::TokenStream;

use crate::{lower::Lowered, model::Model};

pub(crate) fn expand(_model: &Model, _lowered: &Lowered) -> TokenStream {
    TokenStream::new()
}
