//! Benchmarks of jointlambda.
