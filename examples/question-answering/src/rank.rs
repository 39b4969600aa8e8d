//! BM25: how well each of a set of texts fits a question.
//!
//! Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.

use std::collections::HashMap;

/// Texts, as the stems of their content words, ready to be asked.
#[derive(Debug)]
pub(crate) struct Index {
    texts: Vec<Text>,
    /// In how many texts each stem stands.
    holders: HashMap<String, usize>,
    mean_length: f64,
}

#[derive(Debug)]
struct Text {
    counts: HashMap<String, usize>,
    length: f64,
}

/// How soon more of the same word stops to count.
const SATURATION: f64 = 1.2;
/// How far long texts are held back: 0 not at all, 1 in proportion.
const LENGTH: f64 = 0.75;

impl Index {
    /// An index of texts; they are known by their position from here on.
    pub(crate) fn new(texts: impl IntoIterator<Item = Vec<String>>) -> Self {
        let mut holders = HashMap::new();
        let texts: Vec<Text> = texts
            .into_iter()
            .map(|stems| {
                let length = stems.len() as f64;
                let mut counts = HashMap::new();
                for stem in stems {
                    *counts.entry(stem).or_insert(0) += 1;
                }
                for stem in counts.keys() {
                    *holders.entry(stem.clone()).or_insert(0) += 1;
                }
                Text { counts, length }
            })
            .collect();
        let mean_length = texts.iter().map(|text| text.length).sum::<f64>() / texts.len().max(1) as f64;
        Index { texts, holders, mean_length: mean_length.max(1.0) }
    }

    /// How telling a stem is: the rarer, the more. Never negative.
    pub(crate) fn weight(&self, stem: &str) -> f64 {
        let holders = self.holders.get(stem).copied().unwrap_or(0) as f64;
        (1.0 + (self.texts.len() as f64 - holders + 0.5) / (holders + 0.5)).ln()
    }

    /// How well the text at `at` fits a question; 0 if they share nothing.
    pub(crate) fn score(&self, at: usize, question: &[String]) -> f64 {
        let text = &self.texts[at];
        let norm = SATURATION * (1.0 - LENGTH + LENGTH * text.length / self.mean_length);
        let part = |stem: &String| {
            let count = text.counts.get(stem).copied().unwrap_or(0) as f64;
            self.weight(stem) * count * (SATURATION + 1.0) / (count + norm)
        };
        question.iter().map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::content_stems;

    fn index(texts: &[&str]) -> Index {
        Index::new(texts.iter().map(|text| content_stems(text)))
    }

    #[test]
    fn a_text_that_shares_rare_words_fits_best() {
        let index = index(&["the ship sailed", "the ship carried tea", "the ship carried tea and silk"]);
        let question = content_stems("which ships were carrying silk?");
        let scores: Vec<f64> = (0..3).map(|at| index.score(at, &question)).collect();
        assert!(scores[2] > scores[1] && scores[1] > scores[0], "{scores:?}");
        assert!(index.weight("silk") > index.weight("ship"));
    }

    #[test]
    fn a_shorter_text_fits_better_than_a_longer_one() {
        let index = index(&["tea grows on hills far from towns, roads, rivers", "tea grows"]);
        let question = content_stems("tea");
        assert!(index.score(1, &question) > index.score(0, &question));
    }

    #[test]
    fn strangers_score_nothing() {
        assert_eq!(index(&["tea"]).score(0, &content_stems("volcano")), 0.0);
        assert_eq!(index(&[""]).score(0, &content_stems("tea")), 0.0);
    }
}
