//! The command of `pair`.

jointlambda::main!(jointlambda_cloud_tests::pair::Pair);
