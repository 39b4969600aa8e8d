//! The leap over the turns of loops: from a decided instance to the last one that is decided on the
//! same path, in a number of reads that grows with the logarithm of the turns.

use std::ops::Range;

use super::{Errand, Found, Walk, loops::Body};
use crate::{
    commit::{Instance, Settled},
    error::Fault,
};

/// Rows that are read at once to find a turn in which something is decided.
const READ: usize = 64;

/// How the turns of a loop are searched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    /// For the node from which the leap begins, one turn at a time: it is in every turn of most loops.
    OneNode,
    /// For any node of the body, in several turns at a time: a turn may call one function or another,
    /// or none.
    AnyNode,
}

impl Walk<'_> {
    /// Goes on to the last turn in which something is decided, of each loop around an instance, the
    /// outermost first. Whatever comes before it on the same path is decided too.
    ///
    /// Where turns without a call are many in a row, it may stop before the last: that costs the walk
    /// more steps, nothing else.
    pub(super) async fn leap(
        &self,
        mut at: Instance,
        mut settled: Settled,
        found: &mut Found,
    ) -> Result<(Instance, Settled), Fault> {
        let mut depth = 0;
        while let Some(body) = self.loops.around(at.node, depth).filter(|_| depth < at.turns.len()) {
            let leaves_something = matches!(self.errand, Errand::Stop) && body.is_loose;
            let is_last = self.runtime.definition.node(at.node).is_none_or(|node| node.tail);
            if !leaves_something
                && !is_last
                && let Some(later) = self.last_turn(&at, depth, body, found).await?
            {
                (at, settled) = later;
            }
            depth += 1;
        }
        Ok((at, settled))
    }

    /// The last turn of one loop, after that of `at`, in which something is decided.
    async fn last_turn(
        &self,
        at: &Instance,
        depth: usize,
        body: &Body,
        found: &mut Found,
    ) -> Result<Option<(Instance, Settled)>, Fault> {
        let (mut reached, mut last) = (at.turns[depth], None);
        let (mut step, mut beyond) = (1_u32, self.runtime.definition.max_turns);
        let mut search = Search::OneNode;
        while reached + 1 < beyond {
            let from = reached.saturating_add(step).min(beyond - 1);
            let turns = match search {
                Search::OneNode => 1,
                Search::AnyNode => (READ / body.nodes.len().max(1)).max(1) as u32,
            };
            let turns = from..from.saturating_add(turns).min(beyond);
            match self.decided_in(at, depth, body, search, turns, found).await? {
                Some(later) => {
                    reached = later.0.turns[depth];
                    last = Some(later);
                    step = step.saturating_mul(2);
                }
                None if from == reached + 1 && search == Search::AnyNode => break,
                None if from == reached + 1 => search = Search::AnyNode,
                None => {
                    beyond = from;
                    step = ((beyond - reached) / 2).max(1);
                }
            }
        }
        Ok(last)
    }

    /// The latest of these turns of a loop in which something is decided, and what.
    async fn decided_in(
        &self,
        at: &Instance,
        depth: usize,
        body: &Body,
        search: Search,
        turns: Range<u32>,
        found: &mut Found,
    ) -> Result<Option<(Instance, Settled)>, Fault> {
        let own = [(at.node, at.turns.len())];
        let nodes = match search {
            Search::OneNode => &own[..],
            Search::AnyNode => &body.nodes,
        };
        let instances = turns.rev().flat_map(|turn| {
            nodes.iter().map(move |&(node, loops)| {
                let mut turns = at.turns[..depth].to_vec();
                turns.push(turn);
                turns.resize(loops, 0);
                self.instance(at.frames.clone(), node, turns, at.objects)
            })
        });
        let instances: Vec<_> = instances.collect();
        found.looked_at += instances.len();
        self.runtime.first_settled(instances).await
    }
}
