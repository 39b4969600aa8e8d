use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        double(x).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    mod tokio {
        pub(super) mod time {
            pub(crate) async fn sleep(_: std::time::Duration) {}
        }
    }
}

fn main() {}
