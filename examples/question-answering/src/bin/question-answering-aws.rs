//! The functions of the workflow on AWS.

jointlambda::serve!(question_answering::QuestionAnswering, aws);
