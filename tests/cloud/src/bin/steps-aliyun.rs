//! The functions of `steps` on Alibaba Cloud.

jointlambda::serve!(jointlambda_cloud_tests::steps::aliyun::Steps, aliyun);
