//! Reads documents for a question: finds the sentence that answers it, and in it the answer.

use crate::question::Kind;
use crate::rank::Index;
use crate::span::{self, Span};
use crate::text::{content_stems, paragraphs};
use crate::{Document, Found};

/// A document, cut up.
struct Page<'a> {
    document: &'a Document,
    /// The stems of its title, which `it` may stand for.
    title: Vec<String>,
    paragraphs: Vec<Vec<Line<'a>>>,
}

/// A sentence and the stems of its content words.
struct Line<'a> {
    text: &'a str,
    stems: Vec<String>,
}

/// A sentence where it stands.
struct Sentence<'a> {
    page: &'a Page<'a>,
    line: &'a Line<'a>,
    /// The sentences before it in its paragraph.
    before: &'a [Line<'a>],
}

/// What a word of the question counts for when only the title or the sentence before has it.
const NEAR: f64 = 0.5;
/// The same when only an earlier sentence of the paragraph has it.
const FAR: f64 = 0.35;
/// How much the span counts for beside the sentence.
const SPAN: f64 = 0.35;
/// What is taken off a name that a pronoun points back to.
const POINTED_AT: f64 = 0.3;
/// The quality of a sentence in which nothing is of the kind that is asked for.
const NO_SPAN: f64 = -1.0;

/// The answer to a question from these documents; `None` if no sentence has a word of the question.
pub(crate) fn read(question: &str, documents: &[&Document]) -> Option<Found> {
    let kind = Kind::of(question);
    let asked = content_stems(question);
    let pages: Vec<Page> = documents.iter().map(|document| Page::new(document)).collect();
    let sentences: Vec<Sentence> = pages.iter().flat_map(Page::sentences).collect();
    let index = Index::new(sentences.iter().map(|sentence| sentence.line.stems.clone()));
    let total: f64 = asked.iter().map(|stem| index.weight(stem)).sum();

    let candidates = sentences.iter().enumerate().filter(|(at, _)| index.score(*at, &asked) > 0.0);
    let rated = candidates.map(|(at, sentence)| {
        let weighed = |stem: &String| index.weight(stem) * sentence.support(stem, &asked);
        let covered = asked.iter().map(weighed).sum::<f64>() / total;
        let span = sentence.span(&kind, &asked);
        let quality = span.as_ref().map_or(NO_SPAN, |span| span.quality);
        let answer = span.map_or_else(|| sentence.line.text.to_owned(), |span| span.text);
        let found = Found {
            answer,
            sentence: sentence.line.text.to_owned(),
            document: sentence.page.document.name.clone(),
            confidence: (covered * (0.6 + 0.2 * quality)).clamp(0.0, 1.0),
        };
        (covered + 0.25 * index.score(at, &asked) / total + SPAN * quality, found)
    });
    // Of equals, the first in the documents.
    let best = rated.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.map(|(_, found)| found)
}

impl<'a> Page<'a> {
    fn new(document: &'a Document) -> Self {
        let line = |text| Line { text, stems: content_stems(text) };
        let mut paragraphs: Vec<Vec<Line>> = paragraphs(&document.text)
            .into_iter()
            .map(|lines| lines.into_iter().map(line).collect())
            .collect();
        // The first line is the title: it is read with every sentence, not as one.
        let title = if paragraphs.len() > 1 { paragraphs.remove(0) } else { Vec::new() };
        Page { document, title: title.into_iter().flat_map(|line| line.stems).collect(), paragraphs }
    }

    fn sentences(&self) -> impl Iterator<Item = Sentence<'_>> {
        self.paragraphs.iter().flat_map(move |lines| {
            let sentence = move |(at, line)| Sentence { page: self, line, before: &lines[..at] };
            lines.iter().enumerate().map(sentence)
        })
    }
}

impl Sentence<'_> {
    /// How far the sentence speaks of what a word of the question names: 0 to 1.
    fn support(&self, stem: &String, asked: &[String]) -> f64 {
        let last = self.before.last();
        if names_another(&self.line.stems, stem, asked) {
            0.0
        } else if self.line.stems.contains(stem) {
            1.0
        } else if self.page.title.contains(stem) || last.is_some_and(|line| line.stems.contains(stem)) {
            NEAR
        } else if self.before.iter().any(|line| line.stems.contains(stem)) {
            FAR
        } else {
            0.0
        }
    }

    /// The best span of the sentence, or of the one before it if a pronoun points there.
    fn span(&self, kind: &Kind, asked: &[String]) -> Option<Span> {
        let text = self.line.text;
        let own = span::best(text, kind, asked);
        let points =
            ["He ", "She ", "They ", "It ", "His ", "Her "].iter().any(|word| text.starts_with(word));
        let other = match self.before.last() {
            Some(before) if points && *kind == Kind::Name => span::best(before.text, kind, asked),
            _ => None,
        };
        let other = other.map(|span| Span { quality: span.quality - POINTED_AT, ..span });
        [own, other]
            .into_iter()
            .flatten()
            .reduce(|own, other| if other.quality > own.quality { other } else { own })
    }
}

/// Whether the sentence has the word with another number than the question: Apollo 17 is not what
/// Apollo 11 asks for.
fn names_another(stems: &[String], stem: &str, asked: &[String]) -> bool {
    let number_of = |stems: &[String]| {
        let pair = stems.windows(2).find(|pair| pair[0] == stem)?;
        pair[1].parse::<u32>().ok()
    };
    matches!((number_of(asked), number_of(stems)), (Some(asked), Some(found)) if asked != found)
}
