use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
