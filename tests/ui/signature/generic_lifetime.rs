use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(&x).await
    }

    #[function]
    async fn double<'a>(x: &'a u32) -> u32 {
        2 * *x
    }
}

fn main() {}
