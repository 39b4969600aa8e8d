use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(x).await.iter().sum()
    }

    #[function(batch(size = 32, wait = "2s"))]
    async fn double(items: Vec<u32>) -> Vec<u32> {
        items.iter().map(|x| 2 * x).collect()
    }
}

fn main() {}
