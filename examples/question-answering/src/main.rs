//! Runs the question answering workflow.

use question_answering::{QuestionAnswering, QuestionAnsweringFlags};

jointlambda::main!(QuestionAnswering, QuestionAnsweringFlags);
