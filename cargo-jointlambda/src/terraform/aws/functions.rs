//! The functions of one deployment in one region, with all that is theirs: a role, logs, what becomes
//! of failed events, and the schedule of the sweeper.
//!
//! A failed event goes to the sweeper. What the sweeper fails at goes nowhere: nothing is lost with it,
//! since the run is in the run index until it ends, and the next sweep comes to it. Its log says why.

use serde_json::{Map, Value, json};

use super::store::INDEX;
use crate::{
    described::Described,
    package::{ENTRY, base64},
    settings::Settings,
    terraform::{Place, environment, names, role_name, root::of_stores},
};

/// How often an event is delivered again after a failure, and how old it may get.
const REDELIVERIES: u32 = 2;
const EVENT_AGE_S: u32 = 6 * 3600;
/// How often the sweeper looks for runs.
const SWEEP: &str = "rate(1 minute)";
/// What the root gives the module, beside its own variables.
pub(crate) fn arguments<'a>(stores: impl Iterator<Item = &'a str> + Clone) -> Value {
    json!({
        "table_arns": of_stores(stores.clone(), "table_arn"),
        "bucket_arns": of_stores(stores, "bucket_arn"),
    })
}

/// The module.
pub(crate) fn module(described: &Described, settings: &Settings, place: &Place<'_>) -> Value {
    let mut functions = Functions { alias: settings.qualifier(place.cloud), ..Functions::default() };
    let sweeper_arn = functions.arn("sweeper");
    for function in described.functions_on(place.cloud) {
        functions.add(
            described,
            settings,
            place,
            &Deployed {
                label: &function.function,
                name: &function.name,
                memory_mb: function.memory_mb,
                timeout_s: function.timeout_s,
                on_failure: Some(&sweeper_arn),
            },
        );
    }
    let sweeper = &described.sweeper;
    functions.add(
        described,
        settings,
        place,
        &Deployed {
            label: "sweeper",
            name: &sweeper.name,
            memory_mb: sweeper.memory_mb,
            timeout_s: sweeper.timeout_s,
            on_failure: None,
        },
    );
    let name = role_name(described, place.region);
    let mut permission = json!({
        "statement_id": "schedule",
        "action": "lambda:InvokeFunction",
        "function_name": "${aws_lambda_function.sweeper.function_name}",
        "principal": "events.amazonaws.com",
        "source_arn": "${aws_cloudwatch_event_rule.sweep.arn}",
    });
    if functions.alias.is_some() {
        permission["qualifier"] = "${aws_lambda_alias.sweeper.name}".into();
    }
    let mut module = json!({
        "//": crate::terraform::note(),
        "terraform": { "required_providers": { "aws": { "source": "hashicorp/aws" } } },
        "variable": {
            "table_arns": { "type": "list(string)", "description": "The workflow's tables, of all regions." },
            "bucket_arns": { "type": "list(string)", "description": "The workflow's buckets, of all regions." },
            "environment": {
                "type": "map(string)", "description": "More environment variables.", "sensitive": true,
            },
            "log_retention_days": { "type": "number", "description": "How many days logs are kept." },
            "policy_arns": { "type": "list(string)", "description": "What the functions' own code needs." },
        },
        "locals": { "environment": functions.environment },
        "data": {
            "aws_caller_identity": { "current": {} },
            "aws_partition": { "current": {} },
            "aws_iam_policy_document": {
                "assume": {
                    "statement": [{
                        "actions": ["sts:AssumeRole"],
                        "principals": [{ "type": "Service", "identifiers": ["lambda.amazonaws.com"] }],
                    }],
                },
                "function": { "statement": statements(described, settings, place.region) },
            },
        },
        "resource": {
            "aws_iam_role": {
                "function": {
                    "name": name,
                    "assume_role_policy": "${data.aws_iam_policy_document.assume.json}",
                },
            },
            "aws_iam_role_policy": {
                "function": {
                    "name": "jointlambda",
                    "role": "${aws_iam_role.function.id}",
                    "policy": "${data.aws_iam_policy_document.function.json}",
                },
            },
            "aws_iam_role_policy_attachment": {
                "own": {
                    "count": "${length(var.policy_arns)}",
                    "role": "${aws_iam_role.function.name}",
                    "policy_arn": "${var.policy_arns[count.index]}",
                },
            },
            "aws_cloudwatch_log_group": functions.logs,
            "aws_lambda_function": functions.functions,
            "aws_lambda_function_event_invoke_config": functions.events,
            "aws_lambda_function_recursion_config": functions.recursion,
            "aws_cloudwatch_event_rule": {
                "sweep": { "name": described.sweeper.name, "schedule_expression": SWEEP },
            },
            "aws_cloudwatch_event_target": {
                "sweep": {
                    "rule": "${aws_cloudwatch_event_rule.sweep.name}",
                    "arn": sweeper_arn,
                },
            },
            "aws_lambda_permission": { "sweep": permission },
        },
        "output": {
            "functions": { "value": functions.names },
        },
    });
    if functions.alias.is_some() {
        module["resource"]["aws_lambda_alias"] = functions.aliases.into();
    }
    module
}

/// The parts of the module that there is one of for each function, by its label.
#[derive(Default)]
struct Functions<'a> {
    /// By which the functions are invoked, if there is one. It names what was deployed last; whatever
    /// goes by alias, such as provisioned concurrency, goes into files of the user's own.
    alias: Option<&'a str>,
    aliases: Map<String, Value>,
    environment: Map<String, Value>,
    logs: Map<String, Value>,
    functions: Map<String, Value>,
    events: Map<String, Value>,
    recursion: Map<String, Value>,
    names: Map<String, Value>,
}

/// One function as it is deployed.
struct Deployed<'a> {
    /// What it is called in the module, and in its environment.
    label: &'a str,
    name: &'a str,
    memory_mb: u32,
    timeout_s: u64,
    /// What failed events go to.
    on_failure: Option<&'a str>,
}

impl Functions<'_> {
    /// What invokes a function.
    fn arn(&self, label: &str) -> String {
        let kind = if self.alias.is_some() { "alias" } else { "function" };
        format!("${{aws_lambda_{kind}.{label}.arn}}")
    }

    fn add(&mut self, described: &Described, settings: &Settings, place: &Place<'_>, of: &Deployed<'_>) {
        let label = of.label;
        let put = |map: &mut Map<String, Value>, value: Value| map.insert(label.to_owned(), value);
        put(&mut self.environment, environment(settings, place.cloud, label));
        put(&mut self.names, of.name.into());
        put(
            &mut self.logs,
            json!({
                "name": format!("/aws/lambda/{}", of.name),
                "retention_in_days": "${var.log_retention_days}",
            }),
        );
        let mut function = json!({
            "function_name": of.name,
            "description": format!("{label} of {} {}", described.workflow(), described.short_deployment()),
            "role": "${aws_iam_role.function.arn}",
            "package_type": "Zip",
            "filename": format!("${{path.module}}/{}", place.zip),
            "source_code_hash": base64(place.zip_sha256),
            "runtime": place.runtime,
            "handler": ENTRY,
            "architectures": [place.architecture],
            "memory_size": of.memory_mb,
            "timeout": of.timeout_s,
            "environment": [{
                "variables": format!("${{merge(var.environment, local.environment[\"{label}\"])}}"),
            }],
            "depends_on": [
                "aws_iam_role_policy.function",
                format!("aws_cloudwatch_log_group.{label}"),
            ],
        });
        // A loop of a workflow is a loop on purpose, which the workflow bounds: Lambda would stop a function
        // that comes about 16 times in one chain of invocations.
        put(
            &mut self.recursion,
            json!({
                "function_name": format!("${{aws_lambda_function.{label}.function_name}}"),
                "recursive_loop": "Allow",
            }),
        );
        // What becomes of failed events is set for the alias, as it is the alias that is invoked.
        let mut events = json!({
            "function_name": format!("${{aws_lambda_function.{label}.function_name}}"),
            "maximum_retry_attempts": REDELIVERIES,
            "maximum_event_age_in_seconds": EVENT_AGE_S,
        });
        if let Some(destination) = of.on_failure {
            events["destination_config"] = json!([{ "on_failure": [{ "destination": destination }] }]);
        }
        if let Some(alias) = self.alias {
            function["publish"] = true.into();
            events["qualifier"] = format!("${{aws_lambda_alias.{label}.name}}").into();
            put(
                &mut self.aliases,
                json!({
                    "name": alias,
                    "function_name": format!("${{aws_lambda_function.{label}.function_name}}"),
                    "function_version": format!("${{aws_lambda_function.{label}.version}}"),
                }),
            );
        }
        put(&mut self.functions, function);
        put(&mut self.events, events);
    }
}

/// What the functions may do: exactly what the backend and the platform do in their name.
fn statements(described: &Described, settings: &Settings, region: &str) -> Vec<Value> {
    let allow = |sid: &str, actions: &[&str], resources: Value| json!({ "sid": sid, "effect": "Allow", "actions": actions, "resources": resources });
    let account = "${data.aws_caller_identity.current.account_id}";
    let partition = "${data.aws_partition.current.partition}";
    let mut invoked = Vec::new();
    for (cloud, region) in described.clouds() {
        let arn = |name: String| format!("arn:{partition}:lambda:{region}:{account}:function:{name}");
        let all: Vec<_> = names(described, cloud).into_iter().map(arn).collect();
        // While an alias comes or goes, some functions are told so before others: either way is allowed.
        if let Some(alias) = settings.qualifier(cloud) {
            invoked.extend(all.iter().map(|arn| format!("{arn}:{alias}")));
        }
        invoked.extend(all);
    }
    let here = described.clouds().find(|(_, here)| *here == region).map_or("", |(cloud, _)| cloud);
    let log =
        |name: String| format!("arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/{name}:*");
    let logs: Vec<_> = names(described, here).into_iter().map(log).collect();
    vec![
        allow(
            "Rows",
            &["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
            "${var.table_arns}".into(),
        ),
        allow(
            "Runs",
            &["dynamodb:Query"],
            format!("${{formatlist(\"%s/index/{INDEX}\", var.table_arns)}}").into(),
        ),
        allow(
            "Objects",
            &["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "${formatlist(\"%s/*\", var.bucket_arns)}".into(),
        ),
        // Without it a missing object is a denied one.
        allow("ObjectNames", &["s3:ListBucket"], "${var.bucket_arns}".into()),
        allow("Functions", &["lambda:InvokeFunction"], invoked.into()),
        allow("Logs", &["logs:CreateLogStream", "logs:PutLogEvents"], logs.into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{described::sample, platform::Provider};

    fn module_of(described: &Described) -> Value {
        module_with(described, None)
    }

    fn module_with(described: &Described, text: Option<&str>) -> Value {
        let settings = Settings::complete(text, described, &[], "place").unwrap();
        let described = &described.clone().placed(&settings);
        let place = Place {
            cloud: "AWS",
            region: "ap-northeast-1",
            zip: "bootstrap.zip",
            zip_sha256: &[0; 32],
            runtime: "provided.al2023",
            architecture: "x86_64",
        };
        module(described, &settings, &place)
    }

    #[test]
    fn failed_events_go_to_the_sweeper_and_its_own_nowhere() {
        let module = module_of(&sample::described(Provider::Aws));
        let config = &module["resource"]["aws_lambda_function_event_invoke_config"];
        let destination = &config["cut"]["destination_config"][0]["on_failure"][0]["destination"];
        assert_eq!(destination, "${aws_lambda_function.sweeper.arn}");
        assert!(config["sweeper"].get("destination_config").is_none());
        assert_eq!(config["sweeper"]["maximum_retry_attempts"], 2);
    }

    #[test]
    fn a_function_is_told_where_it_is_and_where_the_others_are() {
        let module = module_of(&sample::described(Provider::Aws));
        let environment = &module["locals"]["environment"]["cut"];
        assert_eq!(environment["JOINTLAMBDA_FUNCTION"], "cut");
        assert_eq!(environment["JOINTLAMBDA_CLOUD"], "AWS");
        assert_eq!(environment["JOINTLAMBDA_TABLE"], "two-seas");
        let others = environment["JOINTLAMBDA_CLOUDS"].as_str().unwrap();
        let others: Value = serde_json::from_str(others).unwrap();
        assert_eq!(others["US"]["region"], "us-east-1");
        assert_eq!(others["ALI"]["provider"], "aliyun");
        assert!(others.get("AWS").is_none());
    }

    const LIVE: &str = "[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"t\"\nbucket = \"b-c\"\nqualifier = \"live\"\n";

    #[test]
    fn an_alias_is_what_is_invoked_everywhere() {
        let module = module_with(&sample::described(Provider::Aws), Some(LIVE));
        let resource = &module["resource"];
        assert_eq!(resource["aws_lambda_alias"]["cut"]["name"], "live");
        assert_eq!(resource["aws_lambda_function"]["cut"]["publish"], true);
        let config = &resource["aws_lambda_function_event_invoke_config"];
        assert_eq!(config["cut"]["qualifier"], "${aws_lambda_alias.cut.name}");
        let failed = &config["cut"]["destination_config"][0]["on_failure"][0]["destination"];
        let sweeper = "${aws_lambda_alias.sweeper.arn}";
        assert_eq!(failed, sweeper);
        assert_eq!(resource["aws_cloudwatch_event_target"]["sweep"]["arn"], sweeper);
        assert_eq!(
            resource["aws_lambda_permission"]["sweep"]["qualifier"],
            "${aws_lambda_alias.sweeper.name}"
        );
        assert_eq!(module["locals"]["environment"]["cut"]["JOINTLAMBDA_QUALIFIER"], "live");
        let statements = &module["data"]["aws_iam_policy_document"]["function"]["statement"];
        let functions = statements.as_array().unwrap().iter().find(|one| one["sid"] == "Functions").unwrap();
        let ends_in = |at: usize, end: &str| functions["resources"][at].as_str().unwrap().ends_with(end);
        assert!(ends_in(0, ":function:two-seas-0123abcd-cut:live"), "{functions}");
        assert!(ends_in(3, ":function:two-seas-0123abcd-cut"), "{functions}");
        assert!(ends_in(6, ":function:two-seas-0123abcd-join"), "another region has none: {functions}");
        assert!(module_of(&sample::described(Provider::Aws))["resource"].get("aws_lambda_alias").is_none());
    }

    #[test]
    fn what_is_placed_on_a_cloud_that_is_this_one_is_here() {
        let mut described = sample::described(Provider::Aws);
        described.functions[0].clouds = vec!["ALI".into()];
        let module = module_with(&described, Some("[clouds.ALI]\nsame_as = \"AWS\"\n"));
        assert!(module["resource"]["aws_lambda_function"].get("cut").is_some());
        let environment = &module["locals"]["environment"]["cut"];
        assert_eq!(environment["JOINTLAMBDA_CLOUD"], "AWS");
        let others: Value =
            serde_json::from_str(environment["JOINTLAMBDA_CLOUDS"].as_str().unwrap()).unwrap();
        assert_eq!(others["ALI"], json!({ "same_as": "AWS" }));
    }

    #[test]
    fn a_policy_names_the_functions_of_every_region_and_nothing_else() {
        let described = sample::described(Provider::Aws);
        let settings = Settings::complete(None, &described, &[], "place").unwrap();
        let invoked: Vec<_> = statements(&described, &settings, "us-east-1")
            .into_iter()
            .find(|statement| statement["sid"] == "Functions")
            .map(|statement| statement["resources"].as_array().unwrap().clone())
            .unwrap();
        let ends: Vec<_> =
            invoked.iter().map(|arn| arn.as_str().unwrap().split_once(":lambda:").unwrap().1).collect();
        let expected = [
            "ap-northeast-1:${data.aws_caller_identity.current.account_id}:function:two-seas-0123abcd-cut",
            "ap-northeast-1:${data.aws_caller_identity.current.account_id}:function:two-seas-0123abcd-join",
            "ap-northeast-1:${data.aws_caller_identity.current.account_id}:function:two-seas-0123abcd-sweeper",
            "us-east-1:${data.aws_caller_identity.current.account_id}:function:two-seas-0123abcd-join",
            "us-east-1:${data.aws_caller_identity.current.account_id}:function:two-seas-0123abcd-sweeper",
        ];
        assert_eq!(ends, expected);
    }
}
