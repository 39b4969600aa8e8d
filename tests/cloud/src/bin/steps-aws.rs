//! The functions of `steps` on AWS.

jointlambda::serve!(jointlambda_cloud_tests::steps::Steps, aws);
