use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        first_ok(2, [double(x), double(1)]).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    async fn first_ok<T>(_: u32, _: T) -> u32 {
        1
    }
}

fn main() {}
