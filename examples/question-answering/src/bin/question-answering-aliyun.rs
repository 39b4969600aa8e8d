//! The functions of the workflow on Alibaba Cloud.

jointlambda::serve!(question_answering::QuestionAnswering, aliyun);
