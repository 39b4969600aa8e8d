//! What a question asks for.

use crate::text::{Word, words};

/// The kind of answer that a question asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who, which: a name.
    Name,
    /// Where: a name of a place.
    Place,
    /// When: a date, a year, a century.
    Time,
    /// How many: a number of the things with this stem.
    Count(String),
    /// How tall, how heavy: a number with one of these units.
    Measure(&'static [&'static str]),
    /// What, why, how: whatever the sentence says.
    Statement,
}

impl Kind {
    /// The kind that a question asks for, from its interrogative and the word after it.
    pub(crate) fn of(question: &str) -> Self {
        let words = words(question);
        let lower = |at: usize| words.get(at).map_or(String::new(), |word| word.text.to_lowercase());
        for at in 0..words.len() {
            let (this, next) = (lower(at), lower(at + 1));
            match (this.as_str(), next.as_str()) {
                ("who" | "whom" | "whose", _) => return Kind::Name,
                ("where", _) => return Kind::Place,
                ("when", _) => return Kind::Time,
                ("what" | "which", "year" | "date" | "day" | "month" | "century" | "decade") => {
                    return Kind::Time;
                }
                ("what" | "which", "city" | "country" | "town" | "place") => return Kind::Place,
                ("how", "many") => return Kind::Count(stem_after(&words, at + 1)),
                ("how", "much") if !words[at..].iter().any(is_weighing) => {
                    return Kind::Count(stem_after(&words, at + 1));
                }
                ("how", "much") => return Kind::Measure(WEIGHTS),
                ("what" | "which", _)
                    if words.iter().any(|word| ["called", "name"].contains(&word.text.as_str())) =>
                {
                    return Kind::Name;
                }
                ("how", next) => return units(next).map_or(Kind::Statement, Kind::Measure),
                ("what", _) => return what(&words[at..]),
                ("which", _) => return Kind::Name,
                _ => {}
            }
        }
        Kind::Statement
    }
}

/// `What is the height of …` asks like `how high is …`.
fn what(words: &[Word]) -> Kind {
    let nouns = words.iter().take(4).map(|word| word.text.to_lowercase());
    nouns.filter_map(|noun| units(&noun)).next().map_or(Kind::Statement, Kind::Measure)
}

fn is_weighing(word: &Word) -> bool {
    word.stem == "weigh"
}

fn stem_after(words: &[Word], at: usize) -> String {
    words[at + 1..].iter().find(|word| word.is_content()).map_or(String::new(), |word| word.stem.clone())
}

const LENGTHS: &[&str] = &["millimetr", "centimetr", "metr", "kilometr", "mile", "feet", "foot", "inch"];
const WEIGHTS: &[&str] = &["milligram", "gram", "kilogram", "tonn", "ton", "pound"];
const TIMES: &[&str] = &["second", "minut", "hour", "day", "week", "month", "year", "centuri"];
const DISTANCES: &[&str] =
    &["centimetr", "metr", "kilometr", "mile", "second", "minut", "hour", "day", "week", "month", "year"];
const SPEEDS: &[&str] = &["kilometr", "mile", "hour", "knot", "sheet", "impress"];
const DEGREES: &[&str] = &["degre"];
const AREAS: &[&str] = &["squar", "hectar", "acr"];
const SHARES: &[&str] = &["per", "percent", "third", "half", "quarter"];

/// The stems of the units in which a quality is measured.
fn units(quality: &str) -> Option<&'static [&'static str]> {
    match quality {
        "tall" | "high" | "deep" | "wide" | "thick" | "far" | "large" | "big" | "height" | "depth"
        | "width" | "length" | "distance" | "thickness" => Some(LENGTHS),
        "long" => Some(DISTANCES),
        "heavy" | "weight" | "mass" => Some(WEIGHTS),
        "old" | "age" => Some(TIMES),
        "fast" | "speed" => Some(SPEEDS),
        "hot" | "cold" | "warm" | "temperature" => Some(DEGREES),
        "area" => Some(AREAS),
        "percentage" | "share" | "proportion" => Some(SHARES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interrogative_decides() {
        for (question, kind) in [
            ("Who built it?", Kind::Name),
            ("By whom was it built?", Kind::Name),
            ("Which ship was first?", Kind::Name),
            ("What was the ship called?", Kind::Name),
            ("Where is it?", Kind::Place),
            ("In which country is it?", Kind::Place),
            ("When was it built?", Kind::Time),
            ("In what year was it built?", Kind::Time),
            ("How many workers live in it?", Kind::Count("worker".into())),
            ("How much honey is needed?", Kind::Count("honey".into())),
            ("How much does it weigh?", Kind::Measure(WEIGHTS)),
            ("How tall is it?", Kind::Measure(LENGTHS)),
            ("What is the height of it?", Kind::Measure(LENGTHS)),
            ("What is it made of?", Kind::Statement),
            ("Why?", Kind::Statement),
            ("", Kind::Statement),
        ] {
            assert_eq!(Kind::of(question), kind, "{question}");
        }
    }

    #[test]
    fn units_are_written_as_stems() {
        for units in [LENGTHS, WEIGHTS, TIMES, DISTANCES, SPEEDS, DEGREES, AREAS, SHARES] {
            for unit in units {
                let plural = format!("{unit}s");
                let stems: Vec<String> =
                    [unit.to_string(), plural, format!("{unit}es"), format!("{unit}e"), format!("{unit}y")]
                        .iter()
                        .map(|form| words(form)[0].stem.clone())
                        .collect();
                assert!(stems.iter().any(|stem| stem == unit), "{unit}: {stems:?}");
            }
        }
    }
}
