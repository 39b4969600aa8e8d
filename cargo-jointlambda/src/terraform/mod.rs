//! Terraform's JSON syntax for a deployment: pure functions from what is deployed to documents.

pub(crate) mod alicloud;
pub(crate) mod aws;
pub(crate) mod root;
pub(crate) mod yaml;

use serde_json::{Value, json};

use crate::settings::Settings;

/// Where the module is, and what of it is not in the description.
pub(crate) struct Place<'a> {
    /// The cloud in the workflow, and its region.
    pub(crate) cloud: &'a str,
    pub(crate) region: &'a str,
    /// The zip, as seen from the module.
    pub(crate) zip: &'a str,
    pub(crate) zip_sha256: &'a [u8],
    /// AWS's word for the processor.
    pub(crate) architecture: &'a str,
}

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

/// What a function is told of itself and its surroundings.
pub(crate) fn environment(settings: &Settings, cloud: &str, function: &str) -> Value {
    json!({
        "JOINTLAMBDA_FUNCTION": function,
        "JOINTLAMBDA_CLOUD": cloud,
        "JOINTLAMBDA_TABLE": literal(settings.get(cloud, "table")),
        "JOINTLAMBDA_BUCKET": literal(settings.get(cloud, "bucket")),
        "JOINTLAMBDA_CLOUDS": literal(&settings.others(cloud)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_no_expression() {
        assert_eq!(literal("a ${b} %{c} $d"), "a $${b} %%{c} $d");
    }
}
