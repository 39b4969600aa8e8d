use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Result<u32> {
        let _later = async { race!(half(x), half(1)) };
        half(x).await
    }

    #[function]
    async fn half(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {}
