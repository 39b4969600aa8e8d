use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(double(x).await).await
    }

    #[function(batch(size = 32, wait = 2))]
    async fn double(items: Vec<u32>) -> Vec<u32> {
        items.iter().map(|x| 2 * x).collect()
    }
}

fn main() {}
