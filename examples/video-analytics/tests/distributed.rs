//! The workflow on embedded clouds gives what its plain run gives.

use jointlambda::embedded::Embedded;
use video_analytics::{Clip, VideoAnalytics, VideoAnalyticsFlags, video_analytics};

#[tokio::test]
async fn what_is_seen_is_the_same() {
    let shipped: Clip = VideoAnalyticsFlags { clip: None, chunks: 4 }.try_into().unwrap();
    let clouds = Embedded::<VideoAnalytics>::in_memory();
    let distributed = clouds.run("key", shipped.clone()).await.unwrap();
    assert_eq!(distributed, video_analytics(shipped).await);
}
