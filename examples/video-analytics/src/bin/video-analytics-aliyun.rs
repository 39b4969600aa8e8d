//! The functions of the workflow on Alibaba Cloud.

jointlambda::serve!(video_analytics::VideoAnalytics, aliyun);
