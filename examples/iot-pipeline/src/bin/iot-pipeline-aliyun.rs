//! The functions of the workflow on Alibaba Cloud.

jointlambda::serve!(iot_pipeline::IotPipeline, aliyun);
