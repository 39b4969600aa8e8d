//! The examples as they are deployed: on both clouds, with the results of their plain runs.

use std::{fmt::Debug, io::Write as _, path::Path};

use jointlambda::{Error, Workflow};
use jointlambda_cloud_tests::two_clouds::TwoClouds;

use crate::{ON_ALI, ON_AWS, PATIENCE};

async fn gives_what_its_plain_run_gives<W: Workflow>(inputs: Vec<(&str, W::Input)>)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let clouds = TwoClouds::start().await;
    clouds.deploy::<W>(Path::new(ON_AWS), Path::new(ON_ALI)).await;
    let client = clouds.client::<W>();
    for (key, input) in inputs {
        let before = clouds.gates.crossed();
        let expected = W::plain(input.clone()).await;
        let run = client.start(key, input).await.expect("it starts");
        let result = tokio::time::timeout(PATIENCE, client.result(&run)).await.expect("it ends");
        assert_eq!(result.expect("it returns"), expected, "{key}");
        let crossed = clouds.gates.crossed() - before;
        assert!(crossed > 0, "{key} was on one cloud alone");
        let _ = writeln!(std::io::stderr(), "{}, {key}: {crossed} bytes crossed", W::definition().name);
    }
}

fn input<I>(flags: impl TryInto<I, Error = Error>) -> I {
    flags.try_into().expect("they make an input")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_iot_pipeline() {
    use iot_pipeline::{IotPipeline, IotPipelineFlags};
    let chain = |length| input(IotPipelineFlags { length, reading: None });
    gives_what_its_plain_run_gives::<IotPipeline>(vec![("10 stages", chain(10)), ("25 stages", chain(25))])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn monte_carlo() {
    use monte_carlo::{MonteCarlo, Simulation};
    let of = |branches| Simulation { draws: 100_000, branches, seed: 7 };
    gives_what_its_plain_run_gives::<MonteCarlo>(vec![("8 branches", of(8)), ("32 branches", of(32))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn question_answering() {
    use question_answering::{QuestionAnswering, QuestionAnsweringFlags};
    let asked = input(QuestionAnsweringFlags { questions: Vec::new(), documents: None });
    gives_what_its_plain_run_gives::<QuestionAnswering>(vec![("the questions", asked)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_analytics() {
    use video_analytics::{VideoAnalytics, VideoAnalyticsFlags};
    let clip = input(VideoAnalyticsFlags { clip: None, chunks: 4 });
    gives_what_its_plain_run_gives::<VideoAnalytics>(vec![("4 chunks", clip)]).await;
}
