use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Report {
        Report { x: double(x).await }
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    pub struct Report {
        pub x: u32,
    }
}

fn main() {}
