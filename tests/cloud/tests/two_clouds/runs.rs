//! Results equal the plain run's, and data goes where most of its readers are.

use std::io::Write as _;

use jointlambda_cloud_tests::pair::Errand;

use crate::{pair, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_on_the_clouds_in_turn_runs_once() {
    let clouds = pair().await;
    let errand = Errand { run: "chain".to_owned(), hops: 7, branches: 5, bytes: 50, ..Errand::default() };
    let calls = errand.calls();
    run(&clouds, errand.clone()).await;
    let counts = clouds.executions.counts();
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(counts.len() as u64, calls, "{counts:?}");
    // The same key is the same run, and nothing is done again.
    run(&clouds, errand).await;
    assert_eq!(clouds.executions.counts(), counts);
}

/// A text that the ends of all branches read crosses once: to the cloud of the branches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_map_reads_goes_once_to_the_cloud_of_most_branches() {
    const BYTES: usize = 300_000;
    const BRANCHES: u32 = 6;
    let clouds = pair().await;
    // Instances, connections.
    run(&clouds, Errand { run: "warm".to_owned(), hops: 2, branches: BRANCHES, ..Errand::default() }).await;
    let crossed = || {
        let gates = &clouds.gates;
        [gates.crossed(), gates.to_oss.passed(), gates.to_aws.passed()]
    };
    let before = crossed();
    let errand = Errand { run: "text".to_owned(), branches: BRANCHES, bytes: BYTES, ..Errand::default() };
    run(&clouds, errand).await;
    let after = crossed();
    let [all, to_oss, to_aws] = [0, 1, 2].map(|at| after[at] - before[at]);
    let _ = writeln!(
        std::io::stderr(),
        "a text of {BYTES} bytes for {BRANCHES} branches: {all} bytes crossed, {to_oss} of them to and from OSS, \
         {to_aws} AWS's services"
    );
    let bytes = BYTES as u64;
    assert!((bytes..bytes * 3 / 2).contains(&all), "{all} bytes crossed");
    assert!(to_oss >= bytes && to_aws < bytes / 2, "{to_oss} to and from OSS, {to_aws} AWS's services");
}
