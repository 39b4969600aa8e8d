//! The shapes of the types that travel: what their `Deserialize` impls ask for.
//!
//! A type is read from made-up values, again and again, until each variant of its enums was read.
//! What it asks for in each pass is taken down: names of structs, fields and variants, lengths, kinds
//! of numbers. Two types that ask for the same read the same bytes, as far as this can see: an impl by
//! hand that asks for a string and takes it apart is a string here.
//!
//! A pass ends at the first value that an impl refuses. The next pass offers another value there, and
//! when there is none left, does without the field or variant around it: whatever else the type has is
//! seen all the same. Where an impl lets the value say what it is (`untagged`, `tag`, `flatten`), its
//! errors tell what it would have taken.
//!
//! Nothing here depends on the process: no addresses, no hashes of `std`, no names of types (which only
//! tell types apart). Passes, depth and questions are bounded.

mod access;
mod ask;
mod open;
mod refusal;

use std::{
    any::{TypeId, type_name},
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use ask::Ask;
use open::Open;
use refusal::{Refusal, notes};

/// The most passes over one type.
const MAX_PASSES: usize = 512;
/// How deep values are made up; from half of that on options and lists are empty.
const MAX_DEPTH: usize = 64;
/// The most questions of one type.
const MAX_OF_TYPE: u32 = 50_000;
/// The most questions of all types of a workflow.
const MAX_IN_ALL: u32 = 500_000;

/// A digest of the shapes of many types.
pub struct Shapes {
    digest: Sha256,
    left: u32,
    /// The types that were added, numbered.
    added: BTreeMap<TypeId, usize>,
    /// What was taken down, for tests.
    #[cfg(test)]
    text: String,
}

impl Shapes {
    pub(crate) fn new() -> Self {
        Shapes {
            digest: Sha256::new(),
            left: MAX_IN_ALL,
            added: BTreeMap::new(),
            #[cfg(test)]
            text: String::new(),
        }
    }

    /// Adds the shape of `T`.
    pub fn of<T: DeserializeOwned + 'static>(&mut self) {
        let number = self.added.len();
        if let Some(number) = self.added.get(&TypeId::of::<T>()) {
            return self.digest.update((*number as u64).to_be_bytes());
        }
        self.added.insert(TypeId::of::<T>(), number);
        let mut trace = Trace { left: MAX_OF_TYPE.min(self.left), ..Trace::default() };
        let allowed = trace.left;
        for _ in 0..MAX_PASSES {
            let goes_on = trace.pass::<T>();
            let text = std::mem::take(&mut trace.text);
            self.digest.update((text.len() as u64).to_be_bytes());
            self.digest.update(&text);
            #[cfg(test)]
            self.text.push_str(&text);
            if !goes_on {
                break;
            }
        }
        self.left -= allowed - trace.left;
        self.digest.update(u64::MAX.to_be_bytes());
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.digest.finalize().into()
    }
}

/// Names a place where a type asks, a type, or a field; the same in every pass.
type Key = u64;

const ROOT: Key = 0xcbf2_9ce4_8422_2325;

/// The key of a part of what another key names.
fn part(of: Key, name: &str) -> Key {
    let step = |hash: Key, byte: u8| (hash ^ Key::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().chain([0xff]).fold(of, step)
}

/// Tells types apart within a process.
fn type_key<T: ?Sized>() -> Key {
    part(ROOT, type_name::<T>())
}

/// What is known of an enum.
#[derive(Debug, Default)]
struct Enum {
    /// Variants that were read with all that is in them.
    whole: BTreeSet<usize>,
    /// Variants of which a value was made.
    made: BTreeSet<usize>,
}

/// What is known of a type, and of the present pass over it.
#[derive(Default)]
struct Trace {
    left: u32,
    text: String,
    enums: BTreeMap<Key, Enum>,
    /// Places with a choice of values: which is the next to try, of how many.
    choices: BTreeMap<Key, (usize, usize)>,
    opens: BTreeMap<Key, Open>,
    /// Fields and variants that no value was found for.
    without: BTreeSet<Key>,
    /// The open place whose further offers are tried, while all others stay with a good one.
    exploring: Option<Key>,

    // Of the pass:
    depth: usize,
    /// How many open places are around.
    opened: usize,
    /// The fields and variants that are being read.
    slots: Vec<Key>,
    /// What has parts and is being read; of an enum the variant.
    stack: Vec<(Key, usize)>,
    /// How many of these are inside themselves.
    repeats: usize,
    /// How much was left for another pass, so far.
    unseen: usize,
    /// The place that was asked last.
    last: Option<Key>,
    /// The open places in the order in which they were asked, and those that were offered a map.
    asked: Vec<Key>,
    maps: Vec<Key>,
    /// The innermost field or variant that was refused.
    refused: Option<Key>,
    /// Whether a struct was refused that some of its fields were left out of.
    incomplete: bool,
}

impl Trace {
    /// Reads `T` once. Says whether to do so again.
    fn pass<T: DeserializeOwned>(&mut self) -> bool {
        (self.depth, self.opened, self.repeats, self.unseen) = (0, 0, 0, 0);
        (self.last, self.refused, self.incomplete) = (None, None, false);
        self.slots.clear();
        self.stack.clear();
        self.asked.clear();
        self.maps.clear();
        notes();
        let ty = type_key::<T>();
        let read = catch_unwind(AssertUnwindSafe(|| {
            T::deserialize(Ask { trace: self, at: ty, ty, is_key: false }).map(drop)
        }));
        let notes = notes();
        for note in &notes {
            self.text.push_str(note.text());
        }
        let learned = self.learn(&notes, !matches!(read, Ok(Ok(()))));
        match read {
            Ok(Ok(())) => {
                self.text.push_str("ok\n");
                self.settle() || self.unseen > 0
            }
            Ok(Err(Refusal)) | Err(_) => {
                // A panic is a refusal: whether there is one may depend on the build.
                self.text.push_str("refused\n");
                self.left > 0 && (learned || self.try_another())
            }
        }
    }

    /// Takes down one question; refuses it when there were too many.
    fn take_down(&mut self, what: std::fmt::Arguments<'_>) -> Result<(), Refusal> {
        use std::fmt::Write as _;
        if self.left == 0 {
            return Err(Refusal);
        }
        self.left -= 1;
        let _ = writeln!(self.text, "{what}");
        Ok(())
    }

    /// The number of the value to offer, of `count`.
    fn choice(&mut self, at: Key, count: usize) -> usize {
        self.last = Some(at);
        self.choices.entry(at).or_insert((0, count)).0
    }

    /// After a refusal of which nothing was learned: offers another value, or does without. Says
    /// whether there is anything left to try.
    fn try_another(&mut self) -> bool {
        let last = self.last.filter(|_| !self.incomplete);
        if let Some((at, count)) = last.and_then(|last| self.choices.get_mut(&last)) {
            *at = (*at + 1) % *count;
            if *at != 0 {
                return true;
            }
        } else if last.is_some() && self.advance() {
            return true;
        }
        if self.exploring.is_some() {
            self.explore();
            return true;
        }
        let mut returned = false;
        for at in &self.asked {
            let open = self.opens.get_mut(at).expect("it was asked");
            if let Some(good) = open.good.filter(|good| *good != open.at) {
                (open.at, returned) = (good, true);
            }
        }
        // A panic told nobody where it was.
        let slots = self.slots.iter().rev().copied();
        let refused = self.refused.or(slots.into_iter().find(|slot| !self.without.contains(slot)));
        returned || refused.is_some_and(|refused| self.without.insert(refused))
    }

    /// Reads what is in a field or variant, and notes if it was refused, unless one inside was.
    fn within<T>(
        &mut self,
        slot: Key,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.slots.push(slot);
        let done = read(self);
        self.slots.pop();
        if done.is_err() && self.refused.is_none() && !self.without.contains(&slot) {
            self.refused = Some(slot);
        }
        done
    }

    /// Begins to read what has parts: a struct, a list, a variant of an enum.
    fn enter(&mut self, key: Key, variant: usize) -> Result<(), Refusal> {
        self.descend()?;
        self.repeats += usize::from(self.is_around(key));
        self.stack.push((key, variant));
        Ok(())
    }

    fn descend(&mut self) -> Result<(), Refusal> {
        if self.depth >= MAX_DEPTH {
            return Err(Refusal);
        }
        self.depth += 1;
        Ok(())
    }

    /// Whether what need not have parts is to have none.
    fn is_to_end(&self) -> bool {
        self.repeats > 0 || self.depth > MAX_DEPTH / 2
    }

    fn leave(&mut self) {
        self.depth -= 1;
        if let Some((key, _)) = self.stack.pop() {
            self.repeats -= usize::from(self.is_around(key));
        }
    }

    /// Whether it is being read around here, so that reading it is recursion.
    fn is_around(&self, key: Key) -> bool {
        self.stack.iter().any(|(around, _)| *around == key)
    }

    /// The variant to read: one that was not read whole, or the nearest end of a recursion.
    fn pick(&mut self, key: Key, slot: impl Fn(usize) -> Key, count: usize) -> usize {
        let is_inside = self.is_around(key);
        let known = self.enums.entry(key).or_default();
        let usable = |index: &usize| !self.without.contains(&slot(*index));
        let mut all = (0..count).filter(usable);
        let picked = if is_inside {
            let open = |index: &usize| !self.stack.contains(&(key, *index));
            known.made.iter().copied().find(usable).or_else(|| all.find(open))
        } else {
            all.find(|index| !known.whole.contains(index)).or_else(|| known.made.iter().copied().find(usable))
        };
        picked.unwrap_or(0)
    }

    /// A variant was read, and so much was unseen before it.
    fn made(&mut self, key: Key, slot: impl Fn(usize) -> Key, count: usize, variant: usize, before: usize) {
        let is_inside = self.is_around(key);
        let known = self.enums.entry(key).or_default();
        known.made.insert(variant);
        if !is_inside {
            if self.unseen == before {
                known.whole.insert(variant);
            }
            let rest =
                (0..count).any(|index| !known.whole.contains(&index) && !self.without.contains(&slot(index)));
            self.unseen += usize::from(rest);
        }
    }
}

#[cfg(test)]
mod tests;
