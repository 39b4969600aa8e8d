use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double::<2>(x).await
    }

    #[function]
    async fn double<const N: u32>(x: u32) -> u32 {
        N * x
    }
}

fn main() {}
