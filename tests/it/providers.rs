//! The macros cannot depend on the runtime, so they have a copy of what they check; this holds it
//! to the runtime's table.

/// What the macros' table is about, under the path that it names.
pub(crate) mod model {
    #[derive(Clone, Copy)]
    pub(crate) enum Provider {
        Aws,
        Aliyun,
    }
}

#[allow(dead_code)]
#[path = "../../jointlambda-macros/src/provider.rs"]
mod macros;

#[test]
fn the_macros_check_what_the_runtime_knows() {
    use jointlambda::provider::Provider;
    for (theirs, ours) in [(model::Provider::Aws, Provider::Aws), (model::Provider::Aliyun, Provider::Aliyun)]
    {
        let (theirs, ours) = (theirs.limits(), ours.limits());
        let memory = &theirs.memory_mb;
        assert_eq!((memory.min, memory.max, memory.step), ours.memory_mb);
        assert_eq!(theirs.timeout_s, u64::from(ours.timeout_s));
        assert_eq!(theirs.gpu, ours.gpu);
    }
}
