//! The shapes of two examples, with functions that do nothing: the IoT chain, which goes from cloud to
//! cloud, and Monte Carlo, whose branches are on another cloud than the rest.

use jointlambda::prelude::*;

use crate::orchestrator::Plan;

/// What makes a run of the workflow the plan's.
pub(crate) fn input(plan: Plan) -> (u32, u32, String) {
    match plan {
        Plan::Chain { hops } => (hops, 0, plan.reading()),
        Plan::MonteCarlo { branches } => (0, branches, plan.reading()),
    }
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Hops or branches, and what a chain passes on.
    #[workflow]
    pub(crate) async fn shapes(size: (u32, u32, String)) -> u32 {
        let (hops, branches, mut reading) = size;
        if branches == 0 {
            for hop in 0..hops {
                reading = if hop % 2 == 0 { record_aws(reading).await } else { record_ali(reading).await };
            }
            return reading.len() as u32;
        }
        let tasks = data_map(branches).await;
        let counts = fan_out(tasks, async |task| data_process(task).await).await;
        data_aggregation(counts).await
    }

    #[function(on = AWS)]
    async fn record_aws(reading: String) -> String {
        reading
    }

    #[function(on = ALI, failover = [AWS])]
    async fn record_ali(reading: String) -> String {
        reading
    }

    #[function(on = AWS)]
    async fn data_map(branches: u32) -> Vec<u32> {
        (0..branches).collect()
    }

    #[function(on = ALI, failover = [AWS])]
    async fn data_process(task: u32) -> u32 {
        task
    }

    #[function(on = AWS)]
    async fn data_aggregation(counts: Vec<u32>) -> u32 {
        counts.len() as u32
    }
}
