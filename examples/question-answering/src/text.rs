//! Text into sentences, sentences into words, words into stems.

use std::ops::Range;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

/// A word in its text.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    /// Where it stands, in bytes.
    pub(crate) at: Range<usize>,
    /// As it is written.
    pub(crate) text: String,
    /// What its forms have in common: `erupted` and `eruptions` share a stem.
    pub(crate) stem: String,
}

impl Word {
    /// Whether the word says something about its text's subject.
    pub(crate) fn is_content(&self) -> bool {
        !STOP_WORDS.contains(&self.text.to_lowercase().as_str())
    }

    /// Whether it is written with a capital.
    pub(crate) fn is_capitalised(&self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }

    /// Its value, if it is written in digits.
    pub(crate) fn number(&self) -> Option<f64> {
        self.text
            .replace(',', "")
            .parse()
            .ok()
            .filter(|_| self.text.starts_with(|c: char| c.is_ascii_digit()))
    }
}

/// The words of a text, in order. Hyphens and apostrophes within a word belong to it, as do commas
/// and points between digits.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map_or(' ', |&(_, c)| c);
        let joins = match c {
            '-' | '\'' | '’' => before.is_alphanumeric() && after.is_alphanumeric(),
            ',' | '.' => before.is_ascii_digit() && after.is_ascii_digit(),
            _ => c.is_alphanumeric(),
        };
        before = c;
        if joins {
            let from = *start.get_or_insert(at);
            let end = at + c.len_utf8();
            if chars.peek().is_none() {
                words.push(word(text, from..end));
            }
        } else if let Some(from) = start.take() {
            words.push(word(text, from..at));
        }
    }
    words
}

fn word(text: &str, at: Range<usize>) -> Word {
    let written = &text[at.clone()];
    let bare = written.trim_end_matches("'s").trim_end_matches("’s");
    Word { at: at.start..at.start + bare.len(), text: bare.to_owned(), stem: stem(bare) }
}

fn stem(word: &str) -> String {
    static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
    let lower = word.to_lowercase();
    let base = IRREGULAR.iter().find(|(_, forms)| forms.contains(&lower.as_str()));
    STEMMER.stem(base.map_or(lower.as_str(), |(base, _)| base)).into_owned()
}

/// The stems of a text's content words.
pub(crate) fn content_stems(text: &str) -> Vec<String> {
    words(text).into_iter().filter(Word::is_content).map(|word| word.stem).collect()
}

/// The sentences of a text, one list per paragraph. Paragraphs are divided by blank lines.
pub(crate) fn paragraphs(text: &str) -> Vec<Vec<&str>> {
    let blank = |line: &str| line.trim().is_empty();
    let mut paragraphs: Vec<Range<usize>> = Vec::new();
    let (mut at, mut open) = (0, false);
    for line in text.split_inclusive('\n') {
        match (blank(line), open) {
            (true, _) => open = false,
            (false, true) => paragraphs.last_mut().expect("one is open").end = at + line.len(),
            (false, false) => (paragraphs.push(at..at + line.len()), open = true).1,
        }
        at += line.len();
    }
    paragraphs.into_iter().map(|range| sentences(&text[range])).collect()
}

/// A sentence ends with `.`, `?` or `!` before a space and a capital or digit, unless the point
/// belongs to an initial, as in `John F. Kennedy`.
fn sentences(paragraph: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, mark) in paragraph.match_indices(['.', '?', '!']) {
        let (before, after) = (&paragraph[start..at], &paragraph[at + mark.len()..]);
        let last = before.rsplit(char::is_whitespace).next().unwrap_or("");
        let initial = last.chars().count() == 1 && last.chars().all(char::is_uppercase);
        let begins = |rest: &str| rest.starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit());
        let ends = after.starts_with(char::is_whitespace) && begins(after.trim_start());
        if ends && !initial {
            sentences.push(paragraph[start..=at].trim());
            start = at + mark.len();
        }
    }
    sentences.push(paragraph[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Words that say nothing about a text's subject.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "been", "before",
    "but", "by", "can", "could", "did", "do", "does", "during", "each", "for", "from", "had", "has", "have",
    "he", "her", "his", "how", "i", "if", "in", "into", "is", "it", "its", "many", "may", "me", "more",
    "most", "much", "my", "no", "not", "of", "on", "one", "or", "other", "our", "out", "over", "she", "so",
    "some", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they", "this",
    "those", "to", "up", "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom",
    "whose", "why", "will", "with", "would", "you", "your",
];

/// Verbs whose past has another stem.
const IRREGULAR: &[(&str, &[&str])] = &[
    ("become", &["became"]),
    ("begin", &["began", "begun"]),
    ("break", &["broke", "broken"]),
    ("bring", &["brought"]),
    ("build", &["built"]),
    ("choose", &["chose", "chosen"]),
    ("cut", &["cutting"]),
    ("die", &["died", "dead", "death"]),
    ("drive", &["drove", "driven"]),
    ("find", &["found"]),
    ("fly", &["flew", "flown"]),
    ("give", &["gave", "given"]),
    ("hold", &["held"]),
    ("know", &["knew", "known"]),
    ("lead", &["led"]),
    ("leave", &["left"]),
    ("lose", &["lost"]),
    ("make", &["made"]),
    ("meet", &["met"]),
    ("rise", &["rose", "risen"]),
    ("say", &["said"]),
    ("see", &["saw", "seen"]),
    ("sell", &["sold"]),
    ("send", &["sent"]),
    ("set", &["setting"]),
    ("take", &["took", "taken"]),
    ("tell", &["told"]),
    ("throw", &["threw", "thrown"]),
    ("win", &["won", "winner"]),
    ("write", &["wrote", "written"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_keep_their_inner_marks() {
        assert_eq!(
            texts("Augustin-Jean Fresnel's lens, 1,100 of 3.8 m."),
            ["Augustin-Jean", "Fresnel", "lens", "1,100", "of", "3.8", "m"]
        );
        assert_eq!(texts(" — A Coruña, in 868"), ["A", "Coruña", "in", "868"]);
        assert!(words("  ?! ").is_empty());
    }

    #[test]
    fn a_word_knows_where_it_stands() {
        let text = "Żółw's été, 1,5";
        for word in words(text) {
            assert_eq!(&text[word.at.clone()], word.text);
        }
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for (a, b) in
            [("erupted", "eruptions"), ("build", "built"), ("Discovered", "discovers"), ("found", "find")]
        {
            assert_eq!(stem(a), stem(b), "{a} and {b}");
        }
        assert_ne!(stem("founded"), stem("found"));
    }

    #[test]
    fn sentences_end_where_they_end() {
        let text = "The title\n\nJohn F. Kennedy spoke. It was 3.8 metres\nlong! 79 ships came.\n \nThe end";
        assert_eq!(
            paragraphs(text),
            [
                vec!["The title"],
                vec!["John F. Kennedy spoke.", "It was 3.8 metres\nlong!", "79 ships came."],
                vec!["The end"]
            ]
        );
        assert!(paragraphs(" \n\n").is_empty());
    }
}
