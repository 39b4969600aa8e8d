//! A workflow of a loop, a choice, fan-ins and a pick of the first, whose functions never return the same
//! twice, and note what they saw.

use std::{collections::BTreeMap, fmt::Debug};

use jointlambda::prelude::*;

use crate::executions::note;

/// What a run is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// What the run is called where executions are noted.
    pub run: String,
    /// Turns of the loop.
    pub hops: u32,
    /// Branches of the map.
    pub branches: u32,
}

/// Something that differs for each execution that gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drawn {
    run: String,
    number: u64,
}

/// What a run gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Turns of the loop.
    pub hops: u32,
    /// Branches of the map.
    pub branches: u32,
    /// Whether the number of branches was taken for even.
    pub is_even: bool,
    /// Whether both who saw the first answer saw the same one.
    pub agrees: bool,
}

impl Order {
    /// How many calls a run has, but for branches that are late.
    pub fn calls(&self) -> usize {
        // The first, a choice, three branches, two who see, the last.
        (self.hops + 2 * self.branches) as usize + 8
    }
}

/// Notes an execution and what it saw; gives what it draws.
fn seen(run: &str, call: &str, saw: impl Debug) -> Drawn {
    note(format_args!("{run}|{call}|{saw:?}"));
    Drawn { run: run.to_owned(), number: fastrand::u64(..) }
}

/// What the executions of each call of a run have seen, by the call, and how often: with one outcome of
/// each call, all of its consumers saw the same.
pub fn saw(counts: &BTreeMap<String, u64>, run: &str) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut calls: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (line, count) in counts {
        let parts: Vec<_> = line.splitn(3, '|').collect();
        if let [of, call, saw] = parts[..]
            && of == run
        {
            calls.entry(call.to_owned()).or_default().insert(saw.to_owned(), *count);
        }
    }
    calls
}

jointlambda::workflow! {
    const ALI: Cloud = Cloud::aliyun("cn-hongkong");

    /// Counts what it does.
    ///
    /// # Errors
    /// When nobody answers.
    #[workflow]
    pub async fn disorder(order: Order) -> Result<Tally> {
        let Order { run, hops, branches } = order;
        let mut drawn = begin(run).await;
        for turn in 0..hops {
            drawn = hop(drawn, turn).await;
        }
        let parts = fan_out(0..branches, async |part| {
            let sought = seek(drawn.clone(), part).await;
            weigh(sought, part).await
        })
        .await;
        let (drawn, is_even) = if parts.len() % 2 == 0 {
            (even(parts).await, true)
        } else {
            (odd(parts).await, false)
        };
        let first = first_ok(1, 0..3, async |who| ask(drawn.clone(), who).await).await?;
        let (one, other) = join!(see(first.clone(), 1), see(first.clone(), 2));
        Ok(tally(drawn, hops, branches, is_even, one == other && one == first).await)
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn begin(run: String) -> Drawn { seen(&run, "begin", ()) }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn hop(drawn: Drawn, turn: u32) -> Drawn {
        seen(&drawn.run, &format!("hop {turn}"), &drawn)
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn seek(drawn: Drawn, part: u32) -> Drawn {
        seen(&drawn.run, &format!("seek {part}"), &drawn)
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn weigh(drawn: Drawn, part: u32) -> Drawn {
        seen(&drawn.run, &format!("weigh {part}"), &drawn)
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn even(parts: Vec<Drawn>) -> Drawn { seen(&parts[0].run, "even", &parts) }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn odd(parts: Vec<Drawn>) -> Drawn { seen(&parts[0].run, "odd", &parts) }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn ask(drawn: Drawn, who: u32) -> Result<Drawn> {
        let answer = seen(&drawn.run, &format!("ask {who}"), &drawn);
        if who == 0 { Err(Error::new("nobody there")) } else { Ok(answer) }
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn see(first: Vec<Drawn>, who: u32) -> Vec<Drawn> {
        seen(&first[0].run, &format!("see {who}"), &first);
        first
    }

    #[function(on = ALI, memory = 128, timeout = "20s")]
    async fn tally(drawn: Drawn, hops: u32, branches: u32, is_even: bool, agrees: bool) -> Tally {
        seen(&drawn.run, "tally", &drawn);
        Tally { hops, branches, is_even, agrees }
    }
}
