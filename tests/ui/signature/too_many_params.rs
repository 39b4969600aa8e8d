use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        x
    }

    #[function]
    async fn double(
        _a: u32,
        _b: u32,
        _c: u32,
        _d: u32,
        _e: u32,
        _f: u32,
        _g: u32,
        _h: u32,
        _i: u32,
        _j: u32,
        _k: u32,
        _l: u32,
        _m: u32,
        _n: u32,
    ) -> u32 {
        2
    }
}

fn main() {}
