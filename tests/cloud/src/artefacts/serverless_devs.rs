//! An `s.yaml` as Serverless Devs deploys it: the fields of its functions are those of the service.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    Deployed,
    evaluate::{self, Scope},
    fields::Fields,
    provider::{create, put_async, timer_of},
    yaml,
};
use crate::aliyun::AliyunAccount;

/// What a function has that goes to the service as it is.
const AS_IT_IS: [&str; 12] = [
    "cpu",
    "customRuntimeConfig",
    "description",
    "diskSize",
    "environmentVariables",
    "functionName",
    "handler",
    "instanceConcurrency",
    "internetAccess",
    "memorySize",
    "role",
    "timeout",
];

/// The variables of a document, and those of the environment.
struct Vars<'a> {
    vars: Value,
    environment: &'a BTreeMap<&'a str, String>,
}

impl Scope for Vars<'_> {
    fn name(&self, parts: &[String]) -> Result<(Value, usize), String> {
        match parts {
            [vars, name] if vars == "vars" => {
                let value = self.vars.get(name).ok_or_else(|| format!("there is no variable `{name}`"))?;
                Ok((evaluate::value(value, self)?, 2))
            }
            _ => Err(format!("`{}` is not known", parts.join("."))),
        }
    }

    fn call(&self, function: &str, arguments: Vec<Value>) -> Result<Value, String> {
        let (name, default) = match (function, &arguments[..]) {
            ("env", [Value::String(name)]) => (name, None),
            ("env", [Value::String(name), default]) => (name, Some(default.clone())),
            _ => return Err(format!("{function} is not known")),
        };
        let found = self.environment.get(name.as_str()).map(|value| value.as_str().into());
        found.or(default).ok_or_else(|| format!("{name} is not set"))
    }
}

/// Deploys the functions of a document.
///
/// # Errors
/// The document says what is not known here, or the service refuses a request.
pub async fn deploy(
    path: &Path,
    environment: &BTreeMap<&str, String>,
    account: &AliyunAccount,
) -> Result<Deployed, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut document = Fields::of("s.yaml", yaml::parse(&text)?)?;
    document.is("edition", "3.0.0")?;
    document.is("access", "default")?;
    document.text("name")?;
    let scope = Vars { vars: document.take("vars")?, environment };
    let resources = evaluate::value(&document.take("resources")?, &scope)?;
    document.end()?;
    let (mut deployed, mut later) = (Deployed::default(), Vec::new());
    for (name, resource) in resources.as_object().into_iter().flatten() {
        let mut resource = Fields::of(name.as_str(), resource.clone())?;
        resource.is("component", "fc3")?;
        let mut props = Fields::of(format!("{name}.props"), resource.take("props")?)?;
        resource.end()?;
        props.is("region", account.region())?;
        let zip = path.with_file_name(props.text("code")?);
        let zip = fs::read(&zip).map_err(|error| format!("{}: {error}", zip.display()))?;
        let mut body = json!({ "code": { "zipFile": STANDARD.encode(zip) } });
        body["runtime"] = props.text("runtime")?.into();
        for key in AS_IT_IS {
            body[key] = props.take(key)?;
        }
        let function = body["functionName"].as_str().unwrap_or_default().to_owned();
        create(account, &function, &body, &mut deployed).await?;
        if name == "sweeper" {
            let triggers = props.take("triggers")?;
            for trigger in triggers.as_array().into_iter().flatten() {
                let mut trigger = Fields::of("a trigger", trigger.clone())?;
                trigger.is("triggerType", "timer")?;
                trigger.is("qualifier", "LATEST")?;
                trigger.text("triggerName")?;
                deployed.timers.push(timer_of(&function, &trigger.take("triggerConfig")?)?);
                trigger.end()?;
            }
        }
        later.push((function, props.take("asyncInvokeConfig")?));
        props.end()?;
    }
    // Once all functions are there that events may go to.
    for (function, asynchronous) in later {
        let mut asynchronous = Fields::of(format!("asyncInvokeConfig of {function}"), asynchronous)?;
        let qualifier = asynchronous.text("qualifier")?;
        let mut body = json!({});
        for key in ["asyncTask", "maxAsyncRetryAttempts", "maxAsyncEventAgeInSeconds"] {
            body[key] = asynchronous.take(key)?;
        }
        let is_sweeper = deployed.timers.contains(&function);
        if !is_sweeper {
            let destinations = asynchronous.take("destinationConfig")?;
            let sweeper = destinations["onFailure"]["destination"].as_str().unwrap_or_default();
            let name = sweeper.rsplit_once(":functions/").map(|(_, name)| name.to_owned());
            if name.is_none_or(|name| !deployed.timers.contains(&name)) {
                return Err(format!("failed events of {function} go to `{sweeper}`"));
            }
            body["destinationConfig"] = destinations;
        }
        asynchronous.end()?;
        put_async(account, &function, &qualifier, &body).await?;
    }
    Ok(deployed)
}
