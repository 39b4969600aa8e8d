//! Terraform's JSON syntax for a deployment: pure functions from what is deployed to documents.

pub(crate) mod aws;

use serde_json::Value;

/// Says in each document whose it is.
fn note() -> String {
    format!(
        "Written by cargo-jointlambda {}. Changes belong into files of your own beside it.",
        env!("CARGO_PKG_VERSION")
    )
}

/// A document as text.
pub(crate) fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// A string that Terraform takes as it is: without this `${` and `%{` would begin an expression.
fn literal(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_no_expression() {
        assert_eq!(literal("a ${b} %{c} $d"), "a $${b} %%{c} $d");
    }
}
