//! The command of `steps`.

jointlambda::main!(jointlambda_cloud_tests::steps::Steps);
