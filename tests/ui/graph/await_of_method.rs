use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let text = x.to_string();
        let y = text.fetch().await;
        y + double(x).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    trait Fetch {
        async fn fetch(&self) -> u32;
    }

    impl Fetch for String {
        async fn fetch(&self) -> u32 {
            1
        }
    }
}

fn main() {}
