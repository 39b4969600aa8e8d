//! Runs the IoT pipeline.

use iot_pipeline::{IotPipeline, IotPipelineFlags};

jointlambda::main!(IotPipeline, IotPipelineFlags);
