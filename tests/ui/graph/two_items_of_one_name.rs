use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let a = {
            const N: u32 = 1;
            double(N).await
        };
        let b = {
            const N: u32 = 2;
            double(x + N).await
        };
        a + b
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
