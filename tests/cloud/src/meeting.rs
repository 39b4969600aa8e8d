//! A workflow whose functions wait for each other, and take longer than they may.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jointlambda::prelude::*;
use tokio::sync::oneshot;

use crate::executions::note;

/// What a run is to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Visit {
    /// How many pairs of calls meet.
    pub pairs: u32,
    /// How long a function of one second takes.
    pub nap_ms: u64,
    /// How long a function of two seconds takes.
    pub doze_ms: u64,
}

/// Who waits in this process.
static WAITING: Mutex<Option<oneshot::Sender<()>>> = Mutex::new(None);

/// Ends when another call meets this one in the same process, and not before.
async fn meet_another() {
    let met = {
        let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
        // One that was broken off waits no more.
        if waiting.take().is_some_and(|other| other.send(()).is_ok()) {
            return;
        }
        let (here, met) = oneshot::channel();
        *waiting = Some(here);
        met
    };
    let _ = met.await;
}

fn note_process(function: &str) {
    note(format_args!("{function} {}", std::process::id()));
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

jointlambda::workflow! {
    const ALI: Cloud = Cloud::aliyun("cn-hongkong");

    /// How many calls have met another.
    #[workflow]
    pub async fn meeting(visit: Visit) -> u64 {
        let met = fan_out(0..2 * visit.pairs, async |_| meet().await).await;
        let rested = nap(met.len() as u64, visit.nap_ms).await;
        doze(rested, visit.doze_ms).await
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn meet() -> bool {
        note_process("meet");
        meet_another().await;
        true
    }

    #[function(on = ALI, memory = 128, timeout = "1s")]
    async fn nap(met: u64, ms: u64) -> u64 {
        note_process("nap");
        pause(ms).await;
        met
    }

    #[function(on = ALI, memory = 128, timeout = "2s")]
    async fn doze(met: u64, ms: u64) -> u64 {
        note_process("doze");
        pause(ms).await;
        met
    }
}
