//! The functions of `told` on AWS.

jointlambda::serve!(jointlambda_cloud_tests::told::Told, aws);
