//! State machines of Step Functions that do what the orchestrator does, and the few requests that they
//! need, as nothing else here needs a client for them.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::{Map, Value, json};

use crate::orchestrator::Plan;

/// Makes the state machine `name`, with a task of the function `task` for each call of the plan.
pub(crate) fn create(url: &str, name: &str, plan: Plan, task: &str) {
    let machine = json!({
        "name": name,
        "definition": definition(plan, task).to_string(),
        "roleArn": "arn:aws:iam::000000000000:role/functions",
    });
    ask(url, "CreateStateMachine", &machine);
}

/// Starts the execution `key` of the state machine `name`; its ARN.
pub(crate) fn start(url: &str, name: &str, key: &str, input: &Value) -> Value {
    let machine = format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}");
    let start = json!({ "stateMachineArn": machine, "name": key, "input": input.to_string() });
    ask(url, "StartExecution", &start)["executionArn"].take()
}

/// Whether an execution has ended.
///
/// # Panics
/// When it has failed.
pub(crate) fn has_succeeded(url: &str, execution: &Value) -> bool {
    let described = ask(url, "DescribeExecution", &json!({ "executionArn": execution }));
    match described["status"].as_str() {
        Some("RUNNING") => false,
        Some("SUCCEEDED") => true,
        _ => panic!("{described}"),
    }
}

fn definition(plan: Plan, function: &str) -> Value {
    let task = |next: Option<String>| {
        let mut task = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": { "FunctionName": function, "Payload.$": "$" },
            "OutputPath": "$.Payload",
        });
        match next {
            Some(next) => task["Next"] = json!(next),
            None => task["End"] = json!(true),
        }
        task
    };
    match plan {
        Plan::Chain { hops } => {
            let states = (1..=hops).map(|hop| {
                let next = (hop < hops).then(|| format!("step {}", hop + 1));
                (format!("step {hop}"), task(next))
            });
            json!({ "StartAt": "step 1", "States": states.collect::<Map<_, _>>() })
        }
        Plan::MonteCarlo { .. } => json!({
            "StartAt": "data_map",
            "States": {
                "data_map": task(Some("map".to_owned())),
                "map": {
                    "Type": "Map",
                    "ItemProcessor": {
                        "ProcessorConfig": { "Mode": "INLINE" },
                        "StartAt": "data_process",
                        "States": { "data_process": task(None) },
                    },
                    "Next": "data_aggregation",
                },
                "data_aggregation": task(None),
            },
        }),
    }
}

/// A request to Step Functions. Nobody checks its signature.
fn ask(url: &str, action: &str, body: &Value) -> Value {
    let (address, body) = (url.trim_start_matches("http://"), body.to_string());
    let mut stream = TcpStream::connect(address).expect("the stand-in listens");
    stream.set_nodelay(true).expect("it is a socket");
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: AWSStepFunctions.{action}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/states/aws4_request, \
         SignedHeaders=host, Signature=0\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("it speaks HTTP");
    assert!(head.lines().next().is_some_and(|line| line.contains(" 200 ")), "{action}: {answer}");
    serde_json::from_str(body).expect("it answers with JSON")
}
