//! The functions of `meeting` on Alibaba Cloud.

jointlambda::serve!(jointlambda_cloud_tests::meeting::Meeting, aliyun);
