//! The functions of the workflow on Alibaba Cloud.

jointlambda::serve!(monte_carlo::MonteCarlo, aliyun);
