use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let y = block_on(async { 1 });
        double(x + y).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    fn block_on<T>(_: T) -> u32 {
        1
    }
}

fn main() {}
