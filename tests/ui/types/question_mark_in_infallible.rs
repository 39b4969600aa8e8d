use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let y = halve(x).await?;
        y + 1
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function]
    async fn halve(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {}
