use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let y = dubble(x).await;
        halve(y).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    async fn halve(x: u32) -> u32 {
        x / 2
    }
}

fn main() {}
