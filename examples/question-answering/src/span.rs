//! The words of a sentence that could be the answer.

use std::ops::Range;

use crate::question::Kind;
use crate::text::{Word, words};

/// A part of a sentence that is of the kind that a question asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    /// As it is written.
    pub(crate) text: String,
    /// How good an answer it makes, about -1 to 2.
    pub(crate) quality: f64,
}

/// The best span of `sentence` for a question with these stems; `None` if nothing in the sentence is
/// of the right kind.
pub(crate) fn best(sentence: &str, kind: &Kind, question: &[String]) -> Option<Span> {
    let words = words(sentence);
    let found = match kind {
        Kind::Name => names(sentence, &words, question, by_agent),
        Kind::Place => names(sentence, &words, question, by_place),
        Kind::Time => times(&words),
        Kind::Count(noun) => numbers(&words, std::slice::from_ref(noun)),
        Kind::Measure(units) => numbers(&words, units),
        Kind::Statement => return Some(Span { text: sentence.to_owned(), quality: 0.5 }),
    };
    let spans = found.into_iter().map(|(range, quality)| Span {
        text: sentence[words[range.start].at.start..words[range.end - 1].at.end].to_owned(),
        quality: quality + closeness(&words, &range, question),
    });
    // Of equals, the first in the sentence.
    spans.reduce(|best, span| if span.quality > best.quality { span } else { best })
}

/// A range of words and how well its form fits.
type Found = (Range<usize>, f64);

/// How near the words of the question stand: 1 right beside all of them, 0 far away.
fn closeness(words: &[Word], range: &Range<usize>, question: &[String]) -> f64 {
    let asked =
        words.iter().enumerate().filter(|(at, word)| !range.contains(at) && question.contains(&word.stem));
    let near: Vec<f64> = asked
        .map(|(at, _)| {
            let gap = if at < range.start { range.start - at } else { at + 1 - range.end };
            1.0 / (1.0 + (gap as f64 - 1.0) / 4.0)
        })
        .collect();
    if near.is_empty() { 0.0 } else { near.iter().sum::<f64>() / near.len() as f64 }
}

/// Runs of capitalised words, as `Sostratus of Cnidus` or `John F. Kennedy`, that the question does
/// not name itself.
fn names(text: &str, words: &[Word], question: &[String], by: fn(&str) -> f64) -> Vec<Found> {
    let is_name = |word: &Word| word.is_capitalised() && word.is_content() && !is_month(word);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let start = at;
        at += 1;
        if !is_name(&words[start]) {
            continue;
        }
        let mut end = start + 1;
        loop {
            let follows = |at: usize| at < words.len() && joined(text, &words[at - 1], &words[at]);
            let linked =
                (end..end + 2).take_while(|&at| follows(at) && CONNECTORS.contains(&words[at].text.as_str()));
            let next = end + linked.count();
            if !follows(next) || !is_name(&words[next]) {
                break;
            }
            end = next + 1;
        }
        at = end;
        let run = &words[start..end];
        let asked = run.iter().filter(|word| question.contains(&word.stem)).count();
        if asked == run.len() {
            continue;
        }
        let mut quality = if run.len() > 1 { 0.4 } else { 0.0 };
        quality -= if asked > 0 { 0.3 } else { 0.0 };
        // A single capital at the beginning may be there for the sentence's sake.
        quality -= if start == 0 && run.len() == 1 { 0.3 } else { 0.0 };
        quality -= if run.len() == 1 && is_adjective(&run[0].text) { 0.5 } else { 0.0 };
        let before = words[..start].iter().rev().take(if start > 0 { 4 } else { 0 });
        let preposition = before.map(|word| by(&word.text)).find(|&weight| weight != 0.0);
        quality += if is_explained(text, words, end, question) { 0.4 } else { 0.0 };
        found.push((start..end, quality + preposition.unwrap_or(0.0)));
    }
    found
}

/// Whether only a space stands between two words, or the point of an initial.
fn joined(text: &str, a: &Word, b: &Word) -> bool {
    let between = &text[a.at.end..b.at.start];
    between.trim().is_empty() || (a.text.chars().count() == 1 && between == ". ") || between == "'s "
}

/// Whether what the question asks for follows in apposition: `Neil Armstrong, the commander`.
fn is_explained(text: &str, words: &[Word], end: usize, question: &[String]) -> bool {
    let after = &text[words[end - 1].at.end..];
    let apposed = [", the ", ", a ", ", an "].iter().any(|article| after.starts_with(article));
    apposed && words[end..].iter().skip(1).take(3).any(|word| question.contains(&word.stem))
}

/// Who did something stands after `by`, not after `in`.
fn by_agent(preposition: &str) -> f64 {
    match preposition {
        "by" => 0.4,
        "in" | "at" | "on" | "near" | "off" | "to" | "from" | "of" => -0.4,
        _ => 0.0,
    }
}

/// Where something is stands after `in`, not after `by`.
fn by_place(preposition: &str) -> f64 {
    match preposition {
        "in" | "at" | "on" | "near" | "off" | "to" | "from" | "between" => 0.8,
        "by" | "and" | "with" => -0.4,
        _ => 0.0,
    }
}

/// Dates, years, centuries.
fn times(words: &[Word]) -> Vec<Found> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let is_day = |at: usize| words[at].number().is_some_and(|day| (1.0..=31.0).contains(&day));
        let after = words.get(at + 1);
        if is_month(word) {
            let start = if at > 0 && is_day(at - 1) { at - 1 } else { at };
            let with_year = after.is_some_and(is_year);
            found.push((start..at + 1 + usize::from(with_year), if with_year { 0.6 } else { 0.2 }));
        } else if is_year(word) && !(at > 0 && is_month(&words[at - 1])) {
            let era = after.is_some_and(|word| ["BC", "AD"].contains(&word.text.as_str()));
            let led = at > 0 && TIME_LEADS.contains(&words[at - 1].text.to_lowercase().as_str());
            found.push((at..at + 1 + usize::from(era), if led || era { 0.6 } else { 0.0 }));
        } else if word.stem == "centuri" && at > 0 {
            let era = after.is_some_and(|word| word.text == "BC");
            found.push((at - 1..at + 1 + usize::from(era), 0.4));
        }
    }
    found
}

/// Numbers, each with the words up to one of the units, or with the word after it.
fn numbers(words: &[Word], units: &[impl AsRef<str>]) -> Vec<Found> {
    let is_number =
        |word: &Word| word.number().is_some() || NUMBERS.contains(&word.text.to_lowercase().as_str());
    let is_unit = |word: &Word| units.iter().any(|unit| unit.as_ref() == word.stem);
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let start = at;
        at += 1;
        if !is_number(&words[start]) {
            continue;
        }
        while at < words.len() && is_number(&words[at]) {
            at += 1;
        }
        let unit = (at..words.len().min(at + 4)).find(|&at| is_unit(&words[at]));
        match unit {
            Some(unit) => {
                found.push((start..unit + 1, 1.0 - 0.1 * (unit - at) as f64));
                at = unit + 1;
            }
            None => {
                let bare_year = at == start + 1 && is_year(&words[start]);
                let end = if at < words.len() && words[at].is_content() { at + 1 } else { at };
                found.push((start..end, if bare_year { -0.8 } else { -0.2 }));
            }
        }
    }
    found
}

fn is_month(word: &Word) -> bool {
    MONTHS.contains(&word.text.as_str())
}

/// A plain number of three or four digits, or a decade; smaller ones are years only by what leads them.
fn is_year(word: &Word) -> bool {
    let digits = word.text.strip_suffix('s').unwrap_or(&word.text);
    (2..=4).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && digits.parse::<u32>().is_ok_and(|year| (60..=2_100).contains(&year))
}

/// `Swedish`, `Italian`, `Chinese`.
fn is_adjective(name: &str) -> bool {
    ["ish", "ian", "ese", "ench", "utch", "ican"].iter().any(|ending| name.ends_with(ending))
}

const CONNECTORS: &[&str] = &["of", "von", "van", "de", "del", "la", "der"];
const TIME_LEADS: &[&str] = &[
    "in", "since", "year", "around", "about", "from", "by", "until", "and", "before", "after", "of", "summer",
];
const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const NUMBERS: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "twenty", "thirty", "fifty", "eighty", "ninety", "hundred", "thousand", "million", "billion",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::content_stems;

    fn answer(question: &str, sentence: &str) -> Option<String> {
        best(sentence, &Kind::of(question), &content_stems(question)).map(|span| span.text)
    }

    #[test]
    fn each_kind_finds_its_own() {
        let sentence =
            "In June 1815 the Dutch engineer Jan van der Berg built 27 mills near Delft by the river Schie.";
        for (question, expected) in [
            ("Who built the mills?", "Jan van der Berg"),
            ("When were the mills built?", "June 1815"),
            ("How many mills were built?", "27 mills"),
            ("Where were the mills built?", "Delft"),
            ("Why were the mills built?", sentence),
        ] {
            assert_eq!(answer(question, sentence).as_deref(), Some(expected), "{question}");
        }
    }

    #[test]
    fn the_unit_tells_two_numbers_apart() {
        let sentence = "The stone stands 112 centimetres high and weighs 760 kilograms since 1802.";
        assert_eq!(answer("How tall is the stone?", sentence).unwrap(), "112 centimetres");
        assert_eq!(answer("How heavy is the stone?", sentence).unwrap(), "760 kilograms");
        assert_eq!(answer("Since when is the stone there?", sentence).unwrap(), "1802");
    }

    #[test]
    fn an_apposition_tells_who_is_what() {
        let sentence = "The crew were Ada, the pilot, Bea, the cook of the ship, and Cid.";
        assert_eq!(answer("Who was the pilot?", sentence).unwrap(), "Ada");
        assert_eq!(answer("Who was the cook?", sentence).unwrap(), "Bea");
    }

    #[test]
    fn what_the_question_names_is_no_answer() {
        assert_eq!(answer("Who followed Ada?", "Ada was followed by Bea.").unwrap(), "Bea");
        assert_eq!(answer("Who is Ada?", "Ada came late."), None);
        assert_eq!(answer("When did Ada come?", "Ada came late."), None);
    }
}
