use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        x
    }

    #[function]
    async fn double(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32, k: u32, l: u32, m: u32, n: u32) -> u32 {
        a
    }
}

fn main() {}
