//! Terraform's JSON syntax for a deployment: pure functions from what is deployed to documents.

pub(crate) mod alicloud;
pub(crate) mod aws;
pub(crate) mod root;
pub(crate) mod yaml;

use serde_json::{Map, Value};

use crate::{described::Described, settings::Settings};

/// So many functions are named one by one in the role's policy, which has at most 6,144 characters on
/// Alibaba Cloud and 10,240 on AWS; more are named by what their names begin with.
const NAMED_FUNCTIONS: usize = 24;
/// The longest name of a role.
const ROLE_NAME_BYTES: usize = 64;

/// Where the module is, and what of it is not in the description.
pub(crate) struct Place<'a> {
    /// The cloud in the workflow, and its region.
    pub(crate) cloud: &'a str,
    pub(crate) region: &'a str,
    /// The zip, as seen from the module.
    pub(crate) zip: &'a str,
    pub(crate) zip_sha256: &'a [u8],
    /// The image that the program runs in.
    pub(crate) runtime: &'a str,
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

/// What a function is told of itself and its surroundings: `JOINTLAMBDA_TABLE`, `JOINTLAMBDA_BUCKET`
/// and whatever else is set for its cloud, and in one variable the same of the others.
pub(crate) fn environment(settings: &Settings, cloud: &str, function: &str) -> Value {
    let own = settings.own(cloud).map(|(key, value)| (key.to_uppercase(), literal(value)));
    let others = ("CLOUDS".to_owned(), literal(&settings.others(cloud)));
    let itself = [("FUNCTION".to_owned(), function.to_owned()), ("CLOUD".to_owned(), cloud.to_owned())];
    let all = own.chain([others]).chain(itself);
    all.map(|(key, value)| (format!("JOINTLAMBDA_{key}"), Value::from(value))).collect::<Map<_, _>>().into()
}

/// The names of all functions on a cloud, for a policy.
pub(crate) fn names(described: &Described, cloud: &str) -> Vec<String> {
    let functions = described.functions_on(cloud).map(|function| function.name.as_str());
    let names: Vec<_> = functions.chain([described.sweeper.name.as_str()]).collect();
    if names.len() <= NAMED_FUNCTIONS {
        return names.into_iter().map(str::to_owned).collect();
    }
    let common = names.iter().copied().reduce(|one, other| {
        let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
        &one[..same]
    });
    vec![format!("{}*", common.unwrap_or_default())]
}

/// Roles are the account's, not a region's.
pub(crate) fn role_name(described: &Described, region: &str) -> String {
    let end = format!("-{}-{region}", described.short_deployment());
    let workflow = described.workflow();
    let room = ROLE_NAME_BYTES.saturating_sub(end.len()).min(workflow.len());
    format!("{}{end}", &workflow[..room])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{described::sample, platform::Provider};

    #[test]
    fn a_literal_is_no_expression() {
        assert_eq!(literal("a ${b} %{c} $d"), "a $${b} %%{c} $d");
    }

    #[test]
    fn many_functions_are_named_by_what_their_names_begin_with() {
        let mut described = sample::described(Provider::Aws);
        let one = described.functions[0].clone();
        for index in 0..NAMED_FUNCTIONS {
            let mut function = one.clone();
            function.function = format!("f{index}");
            function.name = format!("two-seas-0123abcd-f{index}");
            described.functions.push(function);
        }
        assert_eq!(names(&described, "AWS"), ["two-seas-0123abcd-*"]);
    }

    #[test]
    fn a_role_has_a_name_that_fits() {
        let mut described = sample::described(Provider::Aws);
        assert_eq!(role_name(&described, "us-east-1"), "two-seas-0123abcd-us-east-1");
        described.definition.name = "x".repeat(80);
        assert_eq!(role_name(&described, "us-east-1").len(), ROLE_NAME_BYTES);
    }
}
