use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double("").await + x
    }

    #[function]
    async fn double(x: &str) -> u32 {
        2 * x.len() as u32
    }
}

fn main() {}
