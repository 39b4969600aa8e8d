//! The functions of the workflow on AWS.

jointlambda::serve!(monte_carlo::MonteCarlo, aws);
