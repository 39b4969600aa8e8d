//! The workflow as plain Rust, on the shipped documents.

use clap::Parser;
use jointlambda::{Error, Result};
use question_answering::{
    Answer, Document, Found, QuestionAnsweringFlags, Ranking, Request, answer, document_sort,
    question_answering,
};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    flags: QuestionAnsweringFlags,
}

fn input_of(flags: &[&str]) -> Result<Request> {
    let command = Command::try_parse_from([&["question-answering"], flags].concat()).map_err(Error::from)?;
    command.flags.try_into()
}

fn asking(questions: &[&str]) -> Request {
    Request { questions: questions.iter().map(|&q| q.to_owned()).collect(), ..input_of(&[]).unwrap() }
}

async fn found(request: Request) -> Vec<Found> {
    let answers = question_answering(request).await.unwrap();
    answers.into_iter().map(|answer| answer.found.unwrap_or_else(|| panic!("{}", answer.question))).collect()
}

/// A question, what the answer must contain, and where it must have been found.
const FACTS: &[(&str, &str, &str)] = &[
    ("Who was the commander of Apollo 11?", "Neil Armstrong", "apollo-11"),
    ("Who led the team that wrote the software of the lunar module?", "Margaret Hamilton", "apollo-11"),
    ("How tall was the Saturn V rocket?", "111 metres", "apollo-11"),
    ("How many people followed the landing on television?", "600 million people", "apollo-11"),
    ("When did Karl Drais take his first ride?", "12 June 1817", "bicycle"),
    ("Who won the first Tour de France?", "Maurice Garin", "bicycle"),
    ("Who invented the pneumatic tyre?", "John Boyd Dunlop", "bicycle"),
    ("Who built the first pendulum clock?", "Christiaan Huygens", "clocks"),
    ("When was the Longitude Act passed?", "1714", "clocks"),
    ("How many separate reefs are there in the Great Barrier Reef?", "2,900", "great-barrier-reef"),
    ("When did Cook's Endeavour strike the reef?", "11 June 1770", "great-barrier-reef"),
    ("Why do corals turn white?", "expel their algae", "great-barrier-reef"),
    ("How many eggs can a queen bee lay in a day?", "2,000 eggs", "honeybees"),
    ("Who decoded the dance of the bees?", "Karl von Frisch", "honeybees"),
    ("What is honey made from?", "nectar", "honeybees"),
    ("Who designed the lens of glass rings for lighthouses?", "Fresnel", "lighthouses"),
    ("When did the Great Storm destroy the Eddystone tower?", "1703", "lighthouses"),
    ("Where was penicillin discovered?", "St Mary's Hospital", "penicillin"),
    ("When was penicillin discovered?", "September 1928", "penicillin"),
    ("Who was the first patient treated with penicillin?", "Albert Alexander", "penicillin"),
    ("Who invented movable type in China?", "Bi Sheng", "printing"),
    ("When was the Linotype first used?", "July 1886", "printing"),
    ("How many copies of the 42-line Bible were printed?", "180 copies", "printing"),
    ("How much does the Rosetta Stone weigh?", "760 kilograms", "rosetta-stone"),
    ("When was the Rosetta Stone found?", "July 1799", "rosetta-stone"),
    ("Where is the Rosetta Stone on show?", "British Museum", "rosetta-stone"),
    ("Who was first to reach the South Pole?", "Roald Amundsen", "south-pole"),
    ("How many dogs did Amundsen take to the pole?", "52 dogs", "south-pole"),
    ("When did Scott reach the pole?", "17 January 1912", "south-pole"),
    ("How many chests of tea were thrown into Boston harbour?", "342 chests", "tea"),
    ("Who wrote The Classic of Tea?", "Lu Yu", "tea"),
    ("Where did the East India Company send Robert Fortune?", "China", "tea"),
    ("When did Krakatoa explode?", "27 August 1883", "volcanoes"),
    ("How many people died at Saint-Pierre on Martinique?", "28,000 people", "volcanoes"),
    ("What is molten rock called below the surface?", "magma", "volcanoes"),
];

#[tokio::test]
async fn questions_are_answered_from_the_right_document() {
    let questions: Vec<&str> = FACTS.iter().map(|fact| fact.0).collect();
    let mut wrong = Vec::new();
    for (&(question, fact, document), found) in FACTS.iter().zip(found(asking(&questions)).await) {
        if !found.answer.contains(fact) || found.document != document {
            wrong.push(format!("{question}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FACTS.len(), wrong.join("\n"));
}

#[tokio::test]
async fn the_shipped_questions_have_confident_answers() {
    let request = input_of(&[]).unwrap();
    assert_eq!(request.questions.len(), 4);
    let answers = found(request).await;
    let facts = ["Karl von Frisch", "September 1928", "2,000 eggs", "At sea a pendulum is useless"];
    for (found, fact) in answers.iter().zip(facts) {
        assert!(found.answer.contains(fact), "{found:?}");
        assert!((0.4..=1.0).contains(&found.confidence), "{found:?}");
    }
}

#[tokio::test]
async fn the_answer_is_what_the_document_says() {
    let mut request = asking(&["Who discovered penicillin?"]);
    assert_eq!(found(request.clone()).await[0].answer, "Alexander Fleming");
    let document = request.documents.iter_mut().find(|document| document.name == "penicillin").unwrap();
    document.text = document.text.replace("Alexander Fleming", "Dorothea Quill");
    assert_eq!(found(request).await[0].answer, "Dorothea Quill");
}

#[tokio::test]
async fn documents_of_ones_own_are_read() {
    let text = "The harbour of Lumen\n\nThe old crane was raised by Ida Holm in 1907. It lifts 35 tonnes.";
    let document = Document { name: "lumen".into(), text: text.into() };
    let ask =
        |question: &str| Request { questions: vec![question.into()], documents: vec![document.clone()] };
    for (question, expected) in [
        ("Who raised the crane?", "Ida Holm"),
        ("When was the crane raised?", "1907"),
        ("How much weight does the crane lift?", "35 tonnes"),
    ] {
        assert_eq!(found(ask(question)).await[0].answer, expected, "{question}");
    }
}

#[tokio::test]
async fn what_no_document_speaks_of_has_no_answer() {
    let answers = question_answering(asking(&["Zxqv wrblt?"])).await.unwrap();
    assert_eq!(answers, [Answer { question: "Zxqv wrblt?".into(), found: None }]);
}

#[tokio::test]
async fn documents_are_sorted_by_question_and_moved_once() {
    let sorted = document_sort(asking(&["When did Krakatoa explode?", "Which volcano buried Pompeii?"]))
        .await
        .unwrap();
    for ranking in &sorted.questions {
        assert_eq!(sorted.documents[ranking.documents[0]].name, "volcanoes");
        assert!(ranking.documents.len() <= Ranking::READ);
    }
    assert_eq!(sorted.documents.iter().filter(|document| document.name == "volcanoes").count(), 1);
    let moved: usize = sorted.documents.iter().map(|document| document.text.len()).sum();
    assert!(moved < 40_000, "{moved} bytes");
    assert_eq!(answer(sorted).await[0].found.as_ref().unwrap().answer, "27 August 1883");
}

#[tokio::test]
async fn requests_without_words_are_refused() {
    let good = asking(&["Who?", "Who built the Pharos?"]);
    let empty = Document { name: "empty".into(), text: " \n".into() };
    for (request, said) in [
        (Request { questions: Vec::new(), ..good.clone() }, "no questions: ask one or more"),
        (asking(&[""]), "a question without a word to look for: \"\""),
        (asking(&["Who built it?", "?!"]), "a question without a word to look for: \"?!\""),
        (good.clone(), "a question without a word to look for: \"Who?\""),
        (Request { documents: Vec::new(), ..asking(&["Who built it?"]) }, "no documents: give one or more"),
        (Request { documents: vec![empty], ..asking(&["Who built it?"]) }, "document empty has no words"),
    ] {
        assert_eq!(question_answering(request).await.unwrap_err().to_string(), said);
    }
}

#[test]
fn flags_become_the_input() {
    let request = input_of(&["--question", "Who?s there", "--question", "When did it rain?"]).unwrap();
    assert_eq!(request.questions, ["Who?s there", "When did it rain?"]);
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    assert_eq!(input_of(&["--documents", directory]).unwrap(), input_of(&[]).unwrap());
    assert!(input_of(&["--documents", "/no/such"]).unwrap_err().to_string().contains("/no/such"));
    assert!(input_of(&["--question", ""]).unwrap_err().to_string().contains("without a word"));
}
