use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(double(x).await).await
    }

    #[function(batch(size = 32, wait = "2s"))]
    async fn double(items: Vec<u32>) -> Result<Vec<u32>> {
        Ok(items)
    }
}

fn main() {}
