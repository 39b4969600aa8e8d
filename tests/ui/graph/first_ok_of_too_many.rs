use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Result<Vec<u32>> {
        first_ok(129, 0..1000, async |i| half(x + i).await).await
    }

    #[function]
    async fn half(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {}
