//! Places where the value says what it is: `deserialize_any`, and names of variants and fields that
//! nobody lists. What they would take is learned from what they refuse.

use super::{Key, Trace, refusal::Note};

/// How deep such places are looked into.
const MAX_OPENED: usize = 4;
/// The most keys that are tried on a map whose fields nobody lists.
const MAX_KEYS: usize = 64;

/// What a place that takes any value is offered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Offer {
    /// A text that names the place, so that an error about it tells whose it is.
    Mark,
    Text(&'static str),
    Unit,
    Bool,
    Int,
    Float,
    Bytes,
    Seq,
    Map,
}

/// A place that takes any value, or a text that is one of a few.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) offers: Vec<Offer>,
    /// The present offer, and the last one that was tried.
    pub(super) at: usize,
    pub(super) tried: usize,
    /// The first offer that was taken.
    pub(super) good: Option<usize>,
    /// Whether it takes more than texts.
    pub(super) is_any: bool,
    /// The keys of the map that is offered.
    pub(super) keys: Vec<&'static str>,
}

impl Open {
    fn new() -> Self {
        Open { offers: vec![Offer::Mark], at: 0, tried: 0, good: None, is_any: false, keys: Vec::new() }
    }

    fn has_more(&self) -> bool {
        self.tried + 1 < self.offers.len()
    }

    fn advance(&mut self) {
        self.tried += 1;
        self.at = self.tried;
    }
}

impl Trace {
    /// An open place is asked. Gives what to offer there.
    pub(super) fn open(&mut self, at: Key, is_any: bool) -> Offer {
        self.last = Some(at);
        if self.opened > MAX_OPENED {
            return Offer::Mark;
        }
        self.asked.push(at);
        let open = self.opens.entry(at).or_insert_with(Open::new);
        open.is_any = is_any;
        self.unseen += usize::from(open.has_more() || open.good.is_none());
        open.offers[open.at]
    }

    /// The keys that are known of a map whose fields nobody lists.
    pub(super) fn keys(&mut self, at: Key) -> Vec<&'static str> {
        self.maps.push(at);
        self.opens.entry(at).or_insert_with(Open::new).keys.clone()
    }

    /// Learns from errors what open places would take. Says whether anything is new.
    pub(super) fn learn(&mut self, notes: &[Note], was_refused: bool) -> bool {
        let mut is_new = false;
        for note in notes {
            match note {
                Note::Expected { mark, offer: Some(offer), .. } => {
                    if let Some(at) = mark.or(self.exploring) {
                        self.offer(at, *offer);
                    }
                }
                Note::OneOf { mark: Some(mark), names, .. } if self.maps.contains(mark) => {
                    is_new |= names.iter().fold(false, |is_new, name| self.add_key(*mark, name) | is_new);
                }
                Note::OneOf { mark: Some(mark), names, .. } => {
                    names.iter().for_each(|name| self.offer(*mark, Offer::Text(name)));
                }
                // Of a struct whose fields are listed it is known why.
                Note::Missing { name, .. } if !self.incomplete => {
                    for at in self.maps.clone() {
                        is_new |= self.add_key(at, name);
                    }
                }
                _ => {}
            }
        }
        // A mark that was refused is of no more use.
        for at in &self.asked {
            let open = self.opens.get_mut(at).expect("it was asked");
            let is_refused = was_refused && open.good.is_none();
            if is_refused && open.offers[open.at] == Offer::Mark && open.has_more() {
                open.advance();
                is_new = true;
            }
        }
        is_new
    }

    fn offer(&mut self, at: Key, offer: Offer) {
        if let Some(open) = self.opens.get_mut(&at)
            && !open.offers.contains(&offer)
        {
            open.offers.push(offer);
        }
    }

    fn add_key(&mut self, at: Key, name: &'static str) -> bool {
        let keys = &mut self.opens.entry(at).or_insert_with(Open::new).keys;
        let is_new = !keys.contains(&name) && keys.len() < MAX_KEYS;
        if is_new {
            keys.push(name);
        }
        is_new
    }

    /// Goes on to the next offer of the last open place that was refused so far and has one.
    pub(super) fn advance(&mut self) -> bool {
        let mut asked = self.asked.iter().rev();
        let is_refused = |at: &&Key| self.opens[*at].good.is_none() && self.opens[*at].has_more();
        let Some(at) = asked.find(is_refused) else { return false };
        self.opens.get_mut(at).expect("it was found").advance();
        true
    }

    /// After a pass that ended well: tries the next offer of an open place. Says whether there is one.
    pub(super) fn settle(&mut self) -> bool {
        for at in &self.asked {
            let open = self.opens.get_mut(at).expect("it was asked");
            if open.good.is_none() {
                open.good = Some(open.at);
                // What takes a text may take more, and then says so of a map.
                if open.is_any && open.offers[open.at] == Offer::Mark && !open.offers.contains(&Offer::Map) {
                    open.offers.push(Offer::Map);
                }
            }
        }
        self.explore()
    }

    /// Goes on with the place whose offers are tried, or with another.
    pub(super) fn explore(&mut self) -> bool {
        if let Some(at) = self.exploring.take() {
            let open = self.opens.get_mut(&at).expect("it is explored");
            if open.has_more() {
                open.advance();
                self.exploring = Some(at);
                return true;
            }
            open.at = open.good.unwrap_or(open.at);
        }
        let Some(at) = self.asked.iter().find(|at| self.opens[*at].has_more()) else { return false };
        self.opens.get_mut(at).expect("it was found").advance();
        self.exploring = Some(*at);
        true
    }
}
