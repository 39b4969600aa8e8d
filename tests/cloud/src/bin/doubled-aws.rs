//! The workflow's program for Lambda.

jointlambda::serve!(jointlambda_cloud_tests::workflow::Doubled, aws);
