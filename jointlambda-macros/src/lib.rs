//! The workflow language of jointlambda.
use proc_macro::TokenStream;

/// Passes the items through.
#[proc_macro]
pub fn workflow(input: TokenStream) -> TokenStream {
    input
}
/// A function of a workflow.
#[proc_macro_attribute]
pub fn function(_attr: TokenStream, item: TokenStream) -> TokenStream {
    item
}
