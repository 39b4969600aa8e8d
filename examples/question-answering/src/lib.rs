//! Answers questions from a set of documents: the documents are sorted by question on one cloud and
//! read on another.

use std::path::{Path, PathBuf};

use jointlambda::prelude::*;

mod question;
mod rank;
mod reader;
mod span;
mod text;

/// What one run works on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What is asked.
    pub questions: Vec<String>,
    /// Where the answers are to be found.
    pub documents: Vec<Document>,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Its name, which answers refer to.
    pub name: String,
    /// Its title, a blank line, and paragraphs with blank lines between them.
    pub text: String,
}

/// Questions, each with the documents to read for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sorted {
    /// The questions, in the order in which they were asked.
    pub questions: Vec<Ranking>,
    /// The documents that at least one question needs.
    pub documents: Vec<Document>,
}

/// A question and the documents that fit it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// What is asked.
    pub question: String,
    /// Positions in [`Sorted::documents`], the best first, at most [`READ`](Ranking::READ).
    pub documents: Vec<usize>,
}

impl Ranking {
    /// How many documents are read for a question.
    pub const READ: usize = 3;
}

/// A question and what the documents say to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked.
    pub question: String,
    /// What was found; nothing if no document speaks of the matter.
    pub found: Option<Found>,
}

/// What was found in a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The answer: a name, a date, a number, or else the sentence.
    pub answer: String,
    /// The sentence that it rests on.
    pub sentence: String,
    /// The document with the sentence.
    pub document: String,
    /// How well question, sentence and answer fit, 0 to 1.
    pub confidence: f64,
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Answers questions from documents.
    #[workflow]
    pub async fn question_answering(request: Request) -> Result<Vec<Answer>> {
        let sorted = document_sort(request).await?;
        let answers = answer(sorted).await;
        Ok(answers)
    }

    /// Finds the documents to read for each question.
    ///
    /// # Errors
    /// If there is no question or no document, or if one of them has no words.
    #[function(on = AWS, memory = 512)]
    pub async fn document_sort(request: Request) -> Result<Sorted> {
        request.check()?;
        Ok(sort(request))
    }

    /// Reads the documents and answers each question.
    #[function(on = ALI, failover = [AWS], memory = 4096)]
    pub async fn answer(sorted: Sorted) -> Vec<Answer> {
        let Sorted { questions, documents } = sorted;
        let answer = |Ranking { question, documents: ranked }| {
            let to_read: Vec<&Document> = ranked.iter().filter_map(|&at| documents.get(at)).collect();
            let found = reader::read(&question, &to_read);
            Answer { question, found }
        };
        questions.into_iter().map(answer).collect()
    }
}

impl Request {
    fn check(&self) -> Result<()> {
        if self.questions.is_empty() {
            return Err(Error::new("no questions: ask one or more"));
        }
        if let Some(question) = self.questions.iter().find(|text| text::content_stems(text).is_empty()) {
            return Err(Error::new(format!("a question without a word to look for: {question:?}")));
        }
        if self.documents.is_empty() {
            return Err(Error::new("no documents: give one or more"));
        }
        if let Some(document) = self.documents.iter().find(|document| text::words(&document.text).is_empty())
        {
            return Err(Error::new(format!("document {} has no words", document.name)));
        }
        Ok(())
    }
}

fn sort(request: Request) -> Sorted {
    let Request { questions, documents } = request;
    let index = rank::Index::new(documents.iter().map(|document| text::content_stems(&document.text)));
    let best = |question: &String| {
        let asked = text::content_stems(question);
        let scores = (0..documents.len()).map(|at| (at, index.score(at, &asked)));
        let mut fitting: Vec<(usize, f64)> = scores.filter(|&(_, score)| score > 0.0).collect();
        fitting.sort_by(|a, b| b.1.total_cmp(&a.1));
        fitting.into_iter().take(Ranking::READ).map(|(at, _)| at).collect::<Vec<_>>()
    };
    let ranked: Vec<Vec<usize>> = questions.iter().map(best).collect();

    let mut needed: Vec<usize> = ranked.iter().flatten().copied().collect();
    needed.sort_unstable();
    needed.dedup();
    let place = |at: &usize| needed.binary_search(at).expect("each ranked document is needed");
    let questions = questions
        .into_iter()
        .zip(&ranked)
        .map(|(question, ranked)| Ranking { question, documents: ranked.iter().map(place).collect() })
        .collect();
    let documents = needed.iter().map(|&at| documents[at].clone()).collect();
    Sorted { questions, documents }
}

/// Answers questions from a set of documents.
#[derive(Clone, Debug, clap::Args)]
pub struct QuestionAnsweringFlags {
    /// A question; may be repeated. Four questions are asked if there is none.
    #[arg(long = "question", value_name = "TEXT")]
    pub questions: Vec<String>,
    /// A directory of `.txt` files to read, instead of the documents that come with the program.
    #[arg(long, value_name = "DIR")]
    pub documents: Option<PathBuf>,
}

impl TryFrom<QuestionAnsweringFlags> for Request {
    type Error = Error;

    fn try_from(flags: QuestionAnsweringFlags) -> Result<Self> {
        let mut questions = flags.questions;
        if questions.is_empty() {
            questions.extend(QUESTIONS.iter().map(|&question| question.to_owned()));
        }
        let documents = match flags.documents {
            None => shipped(),
            Some(directory) => read_all(&directory).map_err(|error| {
                Error::from(error).context(format!("failed to read {}", directory.display()))
            })?,
        };
        let request = Request { questions, documents };
        request.check()?;
        Ok(request)
    }
}

/// What is asked if nothing else is.
const QUESTIONS: [&str; 4] = [
    "Who decoded the dance of the bees?",
    "When was penicillin discovered?",
    "How many eggs can a queen bee lay in a day?",
    "Why is a pendulum useless at sea?",
];

/// The `.txt` files of a directory, in the order of their names.
fn read_all(directory: &Path) -> std::io::Result<Vec<Document>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let document = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Document { name, text: std::fs::read_to_string(path)? })
    };
    paths.iter().map(document).collect()
}

macro_rules! documents {
    ($($name:literal),+ $(,)?) => {
        vec![$(Document { name: $name.into(), text: include_str!(concat!("../data/", $name, ".txt")).into() }),+]
    };
}

/// The documents that come with the program.
fn shipped() -> Vec<Document> {
    documents![
        "apollo-11",
        "bicycle",
        "clocks",
        "great-barrier-reef",
        "honeybees",
        "lighthouses",
        "penicillin",
        "printing",
        "rosetta-stone",
        "south-pole",
        "tea",
        "volcanoes",
    ]
}
