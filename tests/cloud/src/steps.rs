//! A workflow of every kind of edge, on one cloud alone.

use jointlambda::prelude::*;

/// What a run is to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Job {
    /// Hops of a chain.
    pub hops: u64,
    /// Branches of a map.
    pub branches: u64,
    /// Bytes that cross a hop.
    pub bytes: usize,
    /// How long each function of the chain takes.
    pub pause_ms: u64,
    /// Whether the last function panics.
    pub fails: bool,
}

/// What it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Of the chain.
    pub hops: u64,
    /// Of the map.
    pub squares: u64,
    /// Of what crossed a hop.
    pub bytes: usize,
}

macro_rules! steps {
    ($cloud:ident, $provider:ident, $region:tt) => {
        use jointlambda::prelude::*;

        use super::{Job, Sums};

        jointlambda::workflow! {
            const $cloud: Cloud = Cloud::$provider($region);

            /// A chain, a map, and a large value.
            #[workflow]
            pub async fn steps(job: Job) -> Sums {
                let mut hops = 0;
                while hops < job.hops {
                    hops = step(hops, job.pause_ms).await;
                }
                let squares = fan_out(0..job.branches, async |x| square(x).await).await;
                let bytes = if job.bytes > 0 {
                    let filled = fill(job.bytes).await;
                    measure(filled).await
                } else {
                    0
                };
                total(hops, squares, bytes, job.fails).await
            }

            #[function(on = $cloud, memory = 256, timeout = "20s")]
            async fn step(x: u64, pause_ms: u64) -> u64 {
                tokio::time::sleep(std::time::Duration::from_millis(pause_ms)).await;
                x + 1
            }

            #[function(on = $cloud, memory = 256, timeout = "20s")]
            async fn square(x: u64) -> u64 { x * x }

            #[function(on = $cloud, memory = 512, timeout = "20s")]
            async fn fill(bytes: usize) -> String { "x".repeat(bytes) }

            #[function(on = $cloud, memory = 512, timeout = "20s")]
            async fn measure(filled: String) -> usize { filled.len() }

            #[function(on = $cloud, memory = 256, timeout = "20s")]
            async fn total(hops: u64, squares: Vec<u64>, bytes: usize, fails: bool) -> Sums {
                assert!(!fails, "as it was told to");
                Sums { hops, squares: squares.into_iter().sum(), bytes }
            }
        }
    };
}

pub mod aws {
    //! It on AWS.

    steps!(AWS, aws, "us-east-1");
}

pub mod aliyun {
    //! It on Alibaba Cloud.

    steps!(ALI, aliyun, "cn-hongkong");
}

pub use aws::Steps;
