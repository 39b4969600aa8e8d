use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let (a, b) = join!(double(x), x + 1);
        a + b
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
