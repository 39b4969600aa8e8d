//! Fan-ins that do not wait for all branches, but for the first that are `Ok`: when one is due,
//! and which of its branches count.
//!
//! The join row counts how many arrivals are `Ok`, in the same step in which it fills a slot. The
//! fan-in is due when they are as many as it waits for, or when so many others have arrived that
//! this cannot be reached. Whoever's arrival makes it due goes on; later arrivals change nothing.
//!
//! Copies may look at different times, and see different arrivals. So which branches count is
//! decided once, with what follows: it is committed under the fan-in's own name.

use crate::{
    backend::{self, Arrival, StoreError},
    codec,
    commit::{Actor, Instance, Ran},
    envelope::{Arrived, CloudSet, Ended, Frame, path},
    error::Fault,
    id::RowKey,
    join::Full,
    retry,
    runtime::Runtime,
    timing,
};

/// The innermost of the fan-outs around an instance whose branches may fail.
pub(crate) fn innermost(frames: &[Frame]) -> Option<usize> {
    frames.iter().rposition(|frame| frame.first.is_some())
}

/// Whether a fan-in of which these branches have arrived waits for no other.
pub(crate) fn is_due(first: u32, arrived: &[Option<Arrived>]) -> bool {
    let count = |ok| arrived.iter().flatten().filter(|arrived| is_ok(arrived) == ok).count();
    let still_ok = arrived.len() - count(false);
    count(true) >= first as usize || still_ok < first as usize
}

/// The branches that count, in order: the first that are `Ok`, by the clocks where they ended. If
/// there are too few, the first branch with an `Err`; without any, the first that failed.
pub(crate) fn that_count(first: u32, arrived: &[Option<Arrived>]) -> Vec<Arrived> {
    let there = || arrived.iter().enumerate().filter_map(|(index, one)| Some((index, one.as_ref()?)));
    let mut ok: Vec<_> = there().filter(|(_, one)| is_ok(one)).collect();
    if ok.len() >= first as usize {
        ok.sort_by_key(|(index, one)| (one.stamp.at_ms, *index));
        ok.truncate(first as usize);
        ok.sort_by_key(|(index, _)| *index);
        return ok.into_iter().map(|(_, one)| one.clone()).collect();
    }
    let rank = |ended: &Ended| match ended {
        // Nothing follows in a run that is cancelled.
        Ended::Cancelled => Some(0),
        Ended::Err(_) => Some(1),
        Ended::Failed(_) => Some(2),
        Ended::Returned(_) => None,
    };
    let others = there().filter_map(|(_, one)| Some((rank(&one.ended)?, one)));
    others.min_by_key(|(rank, _)| *rank).map(|(_, one)| one.clone()).into_iter().collect()
}

fn is_ok(arrived: &Arrived) -> bool {
    matches!(arrived.ended, Ended::Returned(_))
}

/// Whether the fan-in is due since this arrival, which filled a slot.
fn made_due(first: u32, of: u32, ok: bool, answer: &backend::Arrived) -> bool {
    let others = answer.filled.saturating_sub(answer.ok);
    if ok { answer.ok == first } else { others + first == of + 1 }
}

impl Runtime {
    /// Ends a branch of a fan-in that waits for the `first` that are `Ok`. Gives the fan-in when
    /// this copy is to go on with it.
    pub(crate) async fn arrive_first(
        &self,
        actor: &Actor,
        around: &[Frame],
        frame: &Frame,
        first: u32,
        arrived: Arrived,
    ) -> Result<Option<Full>, Fault> {
        let table = &self.cloud(self.join_home(frame.join))?.table;
        let key = RowKey::join(&actor.of, frame.join, &path(around, &frame.turns), 0, 0);
        let expires_at = self.expires_at(&**table, &actor.term);
        let (ok, value) = (is_ok(&arrived), codec::pack_row(&arrived));
        let arrival =
            Arrival { ok, first: Some(first), value, ..Arrival::at(frame.index, frame.of, expires_at) };
        timing::point!("committing", event = actor.event);
        let answer = retry::store(|| table.arrive(&key, arrival.clone())).await;
        timing::point!("committed", event = actor.event);
        let answer = answer?;
        if !arrival.is_enough(answer.filled, answer.ok) {
            return Ok(None);
        }
        // A late one: it is due since another arrival, and whoever made that goes on.
        if answer.fresh && !made_due(first, frame.of, arrival.ok, &answer) {
            return Ok(None);
        }
        let row = match answer.row {
            Some(row) => row,
            None => retry::store(|| table.get(&key)).await?.unwrap_or_default(),
        };
        let slot = |index| row.slots.get(&index).map(|slot| codec::unpack_row(slot, "a slot")).transpose();
        let all: Vec<Option<Arrived>> = (0..frame.of).map(slot).collect::<Result<_, _>>()?;
        // As in any fan-in: an earlier delivery of this event may have made it due, and died.
        if !answer.fresh && !actor.follows_all {
            let theirs = all[frame.index as usize].as_ref();
            if theirs.is_some_and(|theirs| theirs.stamp.event != actor.event) {
                return Ok(None);
            }
            if self.is_over(actor, arrived.objects).await? {
                return Ok(None);
            }
        }
        let join = Instance {
            actor: actor.clone(),
            frames: around.to_vec(),
            node: frame.join,
            turns: frame.turns.clone(),
            objects: self.objects_of(&all),
            ran: Ran::default(),
        };
        if !is_due(first, &all) {
            return Err(StoreError::Corrupt("a fan-in that is due lacks a branch".to_owned()).into());
        }
        let count = that_count(first, &all);
        let last = count.iter().map(|one| one.stamp).max_by_key(|stamp| stamp.at_ms);
        let last = last.unwrap_or_else(|| self.stamp(actor));
        Ok(Some(self.full_of(join, frame.clone(), count, last)))
    }

    /// The clouds that may hold objects of these branches. Those that are still under way may put
    /// theirs anywhere.
    pub(crate) fn objects_of(&self, arrived: &[Option<Arrived>]) -> CloudSet {
        let anywhere = self.clouds.iter().enumerate().fold(0, |all, (index, _)| all | 1 << index);
        let of = |one: &Option<Arrived>| one.as_ref().map_or(anywhere, |arrived| arrived.objects);
        arrived.iter().fold(0, |all, one| all | of(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Failure, Stamp, Value};

    /// Arrivals as letters: `o` is `Ok`, `e` an `Err`, `f` a failure, `x` cancelled, `.` not there;
    /// each was a millisecond earlier than the one before.
    fn arrived(letters: &str) -> Vec<Option<Arrived>> {
        let one = |(index, letter): (usize, char)| {
            let value = Value::Inline(index.to_string().into());
            let ended = match letter {
                'o' => Ended::Returned(value),
                'e' => Ended::Err(value),
                'f' => Ended::Failed(Failure::new(index.to_string(), Vec::new(), String::new(), 1)),
                'x' => Ended::Cancelled,
                _ => return None,
            };
            let at_ms = 1000 - index as u64;
            let stamp =
                Stamp { event: 0, at_ms, on: 0, attempt: 1, took_ms: 0, ran: 1, is_err: letter == 'e' };
            Some(Arrived { ended, objects: 0, stamp })
        };
        letters.chars().enumerate().map(one).collect()
    }

    fn indices(arrived: &[Arrived]) -> Vec<usize> {
        arrived.iter().map(|one| (1000 - one.stamp.at_ms) as usize).collect()
    }

    #[test]
    fn a_fan_in_is_due_when_enough_are_ok_or_cannot_be() {
        let cases = [
            (0, "", true),
            (1, "...", false),
            (1, "..o", true),
            (2, "o.e", false),
            (2, "oee", true),
            (2, "ff.", true),
            (2, "f..", false),
            (3, "e..", true),
            (3, "ooo", true),
        ];
        for (first, letters, due) in cases {
            assert_eq!(is_due(first, &arrived(letters)), due, "{first} of {letters}");
        }
    }

    #[test]
    fn the_earliest_that_are_ok_count_else_an_err_else_a_failure() {
        let cases = [
            (2, "oooo", vec![2, 3]),
            (2, "o.eo", vec![0, 3]),
            (0, "oe", vec![]),
            (2, "ofee", vec![2]),
            (2, ".off", vec![2]),
            (1, "fex", vec![2]),
        ];
        for (first, letters, expected) in cases {
            assert_eq!(indices(&that_count(first, &arrived(letters))), expected, "{first} of {letters}");
        }
    }

    #[test]
    fn one_arrival_makes_a_fan_in_due() {
        // Every order of three `Ok` and two others, for each number waited for.
        for first in 1..=5 {
            for order in 0_u32..32 {
                if order.count_ones() != 3 {
                    continue;
                }
                let mut answer = backend::Arrived { fresh: true, ..backend::Arrived::closed(0) };
                let mut made = 0;
                for slot in 0..5 {
                    let ok = order & (1 << slot) != 0;
                    answer.filled += 1;
                    answer.ok += u32::from(ok);
                    made += u32::from(made_due(first, 5, ok, &answer));
                }
                assert_eq!(made, 1, "{first} of {order:05b}");
            }
        }
    }
}
