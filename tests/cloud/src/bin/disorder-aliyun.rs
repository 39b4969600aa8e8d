//! The functions of `disorder` on Alibaba Cloud.

jointlambda::serve!(jointlambda_cloud_tests::disorder::Disorder, aliyun);
