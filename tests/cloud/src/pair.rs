//! A workflow on both clouds, whose executions are counted.

use jointlambda::prelude::*;

use crate::executions::{is_mended, note};

/// What a run is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// What the run is called where executions are counted.
    pub run: String,
    /// Hops of a chain, on the clouds in turn.
    pub hops: u32,
    /// Branches of a map on Alibaba Cloud.
    pub branches: u32,
    /// How long a text is that the end of every branch reads.
    pub bytes: usize,
    /// How long each function takes.
    pub pause_ms: u64,
    /// Whether the last function panics, as long as nobody has mended that.
    pub fails: bool,
}

impl Errand {
    /// How often functions begin in a run without faults.
    pub fn calls(&self) -> u64 {
        // Two in each branch; the first and the last one, too.
        u64::from(self.hops) + 2 * u64::from(self.branches) + 2
    }
}

/// What travels along the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    run: String,
    step: u32,
    pause_ms: u64,
}

impl Mark {
    async fn passed(self, function: &str) -> Mark {
        note(format_args!("{} {function} {}", self.run, self.step));
        tokio::time::sleep(std::time::Duration::from_millis(self.pause_ms)).await;
        Mark { step: self.step + 1, ..self }
    }
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The steps of the chain.
    pub steps: u32,
    /// What the branches have read in all.
    pub read: u64,
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// A chain on the clouds in turn, then a map on one of them whose branches read the same text.
    #[workflow]
    pub async fn pair(errand: Errand) -> Found {
        let hops = errand.hops;
        let (mut mark, text) = begin(errand.clone()).await;
        let mut hop = 0;
        while hop < hops {
            mark = if hop % 2 == 0 { there(mark).await } else { here(mark).await };
            hop += 1;
        }
        let parts = fan_out(0..errand.branches, async |part| {
            let seen = look(mark.clone(), part).await;
            read(seen, text.clone()).await
        })
        .await;
        add(mark, parts, errand.fails).await
    }

    #[function(on = AWS, memory = 256, timeout = "20s")]
    async fn begin(errand: Errand) -> (Mark, String) {
        let mark = Mark { run: errand.run, step: 0, pause_ms: errand.pause_ms };
        note(format_args!("{} begin 0", mark.run));
        (mark, "x".repeat(errand.bytes))
    }

    #[function(on = ALI, failover = [AWS], memory = 256, timeout = "20s")]
    async fn there(mark: Mark) -> Mark { mark.passed("there").await }

    #[function(on = AWS, failover = [ALI], memory = 256, timeout = "20s")]
    async fn here(mark: Mark) -> Mark { mark.passed("here").await }

    #[function(on = ALI, failover = [AWS], memory = 256, timeout = "20s")]
    async fn look(mark: Mark, part: u32) -> Mark {
        Mark { step: part, ..mark }.passed("look").await
    }

    #[function(on = ALI, failover = [AWS], memory = 256, timeout = "20s")]
    async fn read(mark: Mark, text: String) -> u64 {
        mark.passed("read").await;
        text.len() as u64
    }

    #[function(on = AWS, memory = 256, timeout = "20s")]
    async fn add(mark: Mark, parts: Vec<u64>, fails: bool) -> Found {
        note(format_args!("{} add 0", mark.run));
        assert!(!fails || is_mended(), "as it was told to");
        Found { steps: mark.step, read: parts.into_iter().sum() }
    }
}
