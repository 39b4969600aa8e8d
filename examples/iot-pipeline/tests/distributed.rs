//! The workflow on embedded clouds gives what its plain run gives.

use iot_pipeline::{Chain, IotPipeline, IotPipelineFlags, Length, iot_pipeline};
use jointlambda::embedded::Embedded;

#[tokio::test]
async fn every_length_gives_the_same_reading() {
    let Chain { reading, .. } = IotPipelineFlags { length: 1, reading: None }.try_into().unwrap();
    for length in [1, 2, 10, 100] {
        let chain = Chain { length: Length::try_from(length).unwrap(), reading: reading.clone() };
        let clouds = Embedded::<IotPipeline>::in_memory();
        let distributed = clouds.run("key", chain.clone()).await.unwrap();
        assert_eq!(distributed, iot_pipeline(chain).await, "{length} stages");
        // One write a stage, and the run's own row.
        let writes: u64 = clouds
            .clouds()
            .meter()
            .clouds
            .iter()
            .map(|cloud| cloud.table_creates + cloud.table_arrives)
            .sum();
        assert_eq!(writes, u64::from(length) + 1 + u64::from(length > 0), "{length} stages");
    }
}
