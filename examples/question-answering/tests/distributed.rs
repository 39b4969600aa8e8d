//! The workflow on embedded clouds gives what its plain run gives.

use jointlambda::embedded::Embedded;
use question_answering::{QuestionAnswering, QuestionAnsweringFlags, Request, question_answering};

#[tokio::test]
async fn the_answers_are_the_same() {
    let request: Request =
        QuestionAnsweringFlags { questions: Vec::new(), documents: None }.try_into().unwrap();
    let clouds = Embedded::<QuestionAnswering>::in_memory();
    let distributed = clouds.run("key", request.clone()).await.unwrap();
    let plain = question_answering(request).await;
    assert_eq!(distributed, plain);
    assert_eq!(plain.unwrap().len(), 4);
}
