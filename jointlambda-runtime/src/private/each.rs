//! What a `for` loop around calls runs over, in a form that travels from turn to turn.

use std::{
    collections::VecDeque,
    ops::{Range, RangeInclusive},
};

use serde::{Deserialize, Serialize};

/// The elements that are still to come.
#[derive(Debug, Serialize, Deserialize)]
pub struct Each<T>(VecDeque<T>);

/// The elements of `items`, no more than a loop may turn: one more shows that it is too long.
pub fn each<I: IntoIterator>(items: I, max_turns: u32) -> Each<I::Item> {
    Each(items.into_iter().take(max_turns as usize + 1).collect())
}

impl<T> Iterator for Each<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        self.0.pop_front()
    }
}

/// A range, or a range without end, is its own state.
pub fn each_in_range<R>(range: R) -> R {
    range
}

/// What is left of `first..=last`.
#[derive(Debug, Serialize, Deserialize)]
pub struct EachInClosedRange<T>(Option<(T, T)>);

/// The numbers of a closed range. The range itself does not remember, when it is encoded, that
/// it is exhausted.
pub fn each_in_closed_range<T>(range: RangeInclusive<T>) -> EachInClosedRange<T> {
    EachInClosedRange(Some(range.into_inner()))
}

impl<T: PartialOrd> Iterator for EachInClosedRange<T>
where
    RangeInclusive<T>: Iterator<Item = T>,
{
    type Item = T;
    fn next(&mut self) -> Option<T> {
        let (first, last) = self.0.take()?;
        let mut range = first..=last;
        let item = range.next();
        if !range.is_empty() {
            self.0 = Some(range.into_inner());
        }
        item
    }
}

/// The next element; a function, so that no trait need be in scope.
pub fn next<I: Iterator>(each: &mut I) -> Option<I::Item> {
    each.next()
}

/// Ranges travel as serde has them.
const _: fn(Range<u8>) -> Range<u8> = each_in_range;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn a_closed_range_remembers_that_it_is_exhausted() {
        let mut each = each_in_closed_range(1..=2_u8);
        let mut seen = Vec::new();
        while let Some(n) = each.next() {
            seen.push(n);
            let bytes = rmp_serde::to_vec(&each).unwrap();
            each = rmp_serde::from_slice(&bytes).unwrap();
        }
        assert_eq!(seen, [1, 2]);
        assert_eq!(each_in_closed_range(2..=1_u8).next(), None);
        assert_eq!(each_in_closed_range(250..=255_u8).count(), 6);
    }

    #[test]
    fn an_endless_list_is_cut_beyond_the_bound() {
        assert_eq!(each(0_u64.., 5).count(), 6);
    }
}
