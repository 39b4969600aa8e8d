use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        find(x).await.unwrap_or(3)
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function]
    async fn find(x: u32) -> std::result::Result<u32, std::num::ParseIntError> {
        x.to_string().parse()
    }
}

fn main() {}
