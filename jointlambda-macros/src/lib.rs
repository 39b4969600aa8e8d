//! The workflow language of jointlambda.
use proc_macro::TokenStream;

mod diagnostics;
mod expand;
mod lower;
#[allow(dead_code)] // until lowering and expansion read all of it
mod model;

/// Passes the items through.
#[proc_macro]
pub fn workflow(input: TokenStream) -> TokenStream {
    input
}
