//! The examples under every single fault.

use std::fmt::Debug;

use jointlambda::{Error, Workflow};

use crate::faulty::survive_single_faults;

fn survives<W: Workflow>(input: impl TryInto<W::Input, Error = Error>)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    survive_single_faults::<W>(input.try_into().unwrap());
}

#[test]
fn the_iot_pipeline_survives_every_single_fault() {
    use iot_pipeline::{IotPipeline, IotPipelineFlags};
    survives::<IotPipeline>(IotPipelineFlags { length: 5, reading: None });
}

#[test]
fn monte_carlo_survives_every_single_fault() {
    use monte_carlo::{MonteCarlo, Simulation};
    survive_single_faults::<MonteCarlo>(Simulation { draws: 1_000, branches: 4, seed: 7 });
}

#[test]
fn question_answering_survives_every_single_fault() {
    use question_answering::{QuestionAnswering, QuestionAnsweringFlags};
    survives::<QuestionAnswering>(QuestionAnsweringFlags { questions: Vec::new(), documents: None });
}

#[test]
fn video_analytics_survives_every_single_fault() {
    use video_analytics::{VideoAnalytics, VideoAnalyticsFlags};
    survives::<VideoAnalytics>(VideoAnalyticsFlags { clip: None, chunks: 4 });
}
