//! The functions of `rights` on AWS.

jointlambda::serve!(jointlambda_cloud_tests::rights::Rights, aws);
