//! Runs the video analytics workflow.

use video_analytics::{VideoAnalytics, VideoAnalyticsFlags};

jointlambda::main!(VideoAnalytics, VideoAnalyticsFlags);
