use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        match x {
            n if double(n).await > 3 => n,
            n => n + 1,
        }
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
