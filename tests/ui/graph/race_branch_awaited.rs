use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Result<u32> {
        race!(half(x).await, half(1))
    }

    #[function]
    async fn half(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {}
