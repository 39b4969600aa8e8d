use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Result<Vec<u32>> {
        first_ok(1, [x, 1], async |x| double(half(x).await.unwrap_or(1)).await).await
    }

    #[function]
    async fn half(x: u32) -> Result<u32> {
        Ok(x / 2)
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
