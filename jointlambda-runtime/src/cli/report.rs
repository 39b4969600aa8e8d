//! How a run ended, when what ran, and what it used: as text for people, or as one JSON object.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    chart::{Canvas, chart},
    exit::{ERR_VALUE, FAILED, Trouble},
    figures,
    run::Before,
    usage,
};
use crate::{
    backend::local::{CloudUsage, CostItem, Span, Timeline, Usage},
    definition::Definition,
    envelope::Failure,
};

/// How many executions the JSON object lists; it counts the others.
pub(super) const MAX_JSON_SPANS: usize = 10_000;

/// How a run ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// With a value, as JSON.
    Value(String),
    /// With an `Err`: as text, and as JSON.
    Error { text: String, json: String },
    /// It failed.
    Failed(Failure),
}

impl Ended {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Ended::Value(_) => 0,
            Ended::Error { .. } => ERR_VALUE,
            Ended::Failed(_) => FAILED,
        }
    }

    /// A run of a deployed workflow as one JSON object.
    #[cfg(any(feature = "aws", feature = "aliyun"))]
    pub(super) fn json(
        &self,
        workflow: &str,
        run: &crate::id::RunId,
        report: &crate::client::RunReport,
    ) -> Result<String, serde_json::Error> {
        let raw = |json: &String| RawValue::from_string(json.clone()).map(Some);
        let (result, error) = match self {
            Ended::Value(json) => (raw(json)?, None),
            Ended::Error { json, .. } => (None, raw(json)?),
            Ended::Failed(_) => (None, None),
        };
        #[derive(Serialize)]
        struct Deployed<'r> {
            workflow: &'r str,
            run: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            result: Option<Box<RawValue>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<Box<RawValue>>,
            #[serde(flatten)]
            report: &'r crate::client::RunReport,
        }
        serde_json::to_string(&Deployed { workflow, run: run.to_string(), result, error, report })
    }

    /// What stderr says of it.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        match self {
            Ended::Value(_) => None,
            Ended::Error { text, .. } => Some(Trouble::new(text.clone()).code(ERR_VALUE)),
            Ended::Failed(failure) => Some(Trouble::new(format!("the run failed: {failure}"))),
        }
    }
}

/// All that is known of a run when it has ended.
pub(super) struct Report {
    pub(super) definition: &'static Definition,
    pub(super) run: String,
    pub(super) key: String,
    pub(super) before: Before,
    pub(super) ended: Ended,
    pub(super) took: Duration,
    pub(super) timeline: Timeline,
    /// Since this process began.
    pub(super) usage: Usage,
}

/// The JSON object.
#[derive(Serialize)]
struct Object<'r> {
    workflow: &'r str,
    key: &'r str,
    run: &'r str,
    /// `returned`, `error` or `failed`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'r Failure>,
    /// Whether the run was there before; what was done for it then is not counted here.
    resumed: bool,
    took_ms: f64,
    timeline: ObjectTimeline<'r>,
    usage: &'r [CloudUsage],
    cost: ObjectCost,
}

#[derive(Serialize)]
struct ObjectTimeline<'r> {
    clouds: Vec<&'r str>,
    spans: &'r [Span],
    dropped: u64,
}

#[derive(Serialize)]
struct ObjectCost {
    usd: f64,
    usd_per_million_runs: f64,
    items: Vec<CostItem>,
}

impl Report {
    /// For a program to read.
    pub(super) fn json(self) -> Result<String, serde_json::Error> {
        let raw = |json: &String| RawValue::from_string(json.clone()).map(Some);
        let (status, result, error, failure) = match &self.ended {
            Ended::Value(json) => ("returned", raw(json)?, None, None),
            Ended::Error { json, .. } => ("error", None, raw(json)?, None),
            Ended::Failed(failure) => ("failed", None, None, Some(failure)),
        };
        let spans = &self.timeline.spans;
        let shown = spans.len().min(MAX_JSON_SPANS);
        let cost = self.usage.cost();
        serde_json::to_string(&Object {
            workflow: self.definition.name,
            key: &self.key,
            run: &self.run,
            status,
            result,
            error,
            failure,
            resumed: self.before != Before::Nothing,
            took_ms: self.took.as_micros() as f64 / 1000.0,
            timeline: ObjectTimeline {
                clouds: self.definition.clouds.iter().map(|cloud| cloud.name).collect(),
                spans: &spans[..shown],
                dropped: self.timeline.dropped + (spans.len() - shown) as u64,
            },
            usage: &self.usage.clouds,
            cost: ObjectCost { usd: cost.usd(), usd_per_million_runs: cost.usd() * 1e6, items: cost.items },
        })
    }

    /// For people: the result, the chart, the table.
    pub(super) fn text(&self, canvas: Canvas) -> String {
        let mut text = String::new();
        if let Ended::Value(json) = &self.ended {
            text.push_str(json);
            text.push_str("\n\n");
        }
        text.push_str(&chart(&self.timeline, self.definition, canvas));
        text.push('\n');
        text.push_str(&usage::table(&self.usage, canvas));
        let took = figures::duration(self.took);
        text.push_str(&match self.before {
            Before::Nothing => format!("\nthe run took {took}\n"),
            Before::Started => {
                format!("\nresumed, and took {took} from there; what was done before is not counted\n")
            }
            Before::Ended => "\nthe run had ended before; this is its result\n".to_owned(),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::sample;

    fn report(ended: Ended) -> Report {
        Report {
            definition: &sample::ALL,
            run: "0".repeat(32),
            key: "k".to_owned(),
            before: Before::Nothing,
            ended,
            took: Duration::from_millis(5),
            timeline: Timeline::default(),
            usage: Usage { clouds: Vec::new() },
        }
    }

    #[test]
    fn the_json_object_has_the_result_as_it_is() {
        // More digits than any number type of a parser has.
        let json = report(Ended::Value("{\"b\":1,\"a\":123456789012345678901}".to_owned())).json().unwrap();
        assert!(json.contains(r#""result":{"b":1,"a":123456789012345678901}"#), "{json}");
        assert!(json.contains(r#""status":"returned""#) && !json.contains("failure"), "{json}");
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
    }

    #[test]
    fn an_error_and_a_failure_have_other_exit_codes() {
        let error = Ended::Error { text: "no".to_owned(), json: "\"no\"".to_owned() };
        assert_eq!((error.exit_code(), error.trouble().unwrap().lines()), (1, "error: no\n".to_owned()));
        let failure =
            Failure { at: "f".to_owned(), path: vec![1], cause: "it broke".to_owned(), attempts: 3 };
        let failed = Ended::Failed(failure);
        assert_eq!(failed.exit_code(), 2);
        let lines = failed.trouble().unwrap().lines();
        assert_eq!(lines, "error: the run failed: f[1] failed after 3 attempts: it broke\n");
    }
}
