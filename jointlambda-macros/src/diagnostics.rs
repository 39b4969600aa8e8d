//! The collector of errors: every pass pushes, and all are reported at once.
//!
//! Must not decide what an error is, nor stop at the first. A message is the rule, and on a
//! second line `help: ` with the fix and the valid options:
//!
//! ```text
//! unknown cloud `AWZ`
//! help: did you mean `AWS`? The declared clouds are `AWS` and `ALI`
//! ```

use proc_macro2::{Delimiter, Group, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};

/// Errors with their places, in the order in which they were found.
///
/// Dropping it unreported is a bug in this crate: debug builds panic.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    errors: Vec<Diagnostic>,
    /// Whether rustc is known to refuse the user's own tokens, so that nothing needs to be said.
    left_to_rustc: bool,
    /// Whether rustc would repeat, in its own words, what is wrong with the workflow's body.
    repeated_by_rustc: bool,
}

#[derive(Debug)]
struct Diagnostic {
    start: Span,
    end: Span,
    message: String,
}

/// Where an error is shown: a span, or any tokens by reference.
pub(crate) trait Place {
    /// The first and the last span.
    fn ends(self) -> (Span, Span);
}

impl Place for Span {
    fn ends(self) -> (Span, Span) {
        (self, self)
    }
}

impl<T: ToTokens + ?Sized> Place for &T {
    fn ends(self) -> (Span, Span) {
        let mut tokens = self.to_token_stream().into_iter();
        let Some(first) = tokens.next() else {
            return (Span::call_site(), Span::call_site());
        };
        let start = first.span();
        (start, tokens.last().map_or(start, |last| last.span()))
    }
}

impl Diagnostics {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds an error. `message` is `"rule\nhelp: fix"`.
    pub(crate) fn error(&mut self, at: impl Place, message: impl Into<String>) {
        let (start, end) = at.ends();
        self.errors.push(Diagnostic { start, end, message: message.into() });
    }

    /// Marks the input as wrong without a message: rustc refuses the user's tokens by itself and
    /// says it better.
    pub(crate) fn leave_to_rustc(&mut self) {
        self.left_to_rustc = true;
    }

    /// Adds an error in the workflow's body about which rustc would have something to say, too.
    pub(crate) fn error_instead_of_rustc(&mut self, at: impl Place, message: impl Into<String>) {
        self.error(at, message);
        self.repeated_by_rustc = true;
    }

    /// Whether the workflow's body should be kept from rustc.
    pub(crate) fn repeated_by_rustc(&self) -> bool {
        self.repeated_by_rustc
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_empty() && !self.left_to_rustc
    }

    /// One `compile_error!` per error, each good in item, type and expression position.
    pub(crate) fn into_errors(mut self) -> Vec<TokenStream> {
        std::mem::take(&mut self.errors).into_iter().map(Diagnostic::into_tokens).collect()
    }
}

impl Drop for Diagnostics {
    fn drop(&mut self) {
        if cfg!(debug_assertions) && !self.errors.is_empty() && !std::thread::panicking() {
            panic!("{} diagnostics dropped unreported", self.errors.len());
        }
    }
}

impl Diagnostic {
    // The path carries the first span and the braces the last: rustc underlines all between.
    fn into_tokens(self) -> TokenStream {
        let mut literal = Literal::string(&self.message);
        literal.set_span(self.end);
        let mut message = Group::new(Delimiter::Brace, TokenTree::Literal(literal).into());
        message.set_span(self.end);
        let path = quote_spanned!(self.start=> ::core::compile_error!);
        quote_spanned!(self.end=> #path #message)
    }
}
