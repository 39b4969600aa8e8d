use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(double(x).await).await
    }

    #[function(batch(size = 32, wait = "2s"))]
    async fn double(item: u32) -> Vec<u32> {
        vec![2 * item]
    }
}

fn main() {}
