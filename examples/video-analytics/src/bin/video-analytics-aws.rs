//! The functions of the workflow on AWS.

jointlambda::serve!(video_analytics::VideoAnalytics, aws);
