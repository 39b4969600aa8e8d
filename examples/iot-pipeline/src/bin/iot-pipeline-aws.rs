//! The functions of the workflow on AWS.

jointlambda::serve!(iot_pipeline::IotPipeline, aws);
