use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        tokio::spawn(double(x));
        double(1).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    mod tokio {
        pub fn spawn<T>(_: T) {}
    }
}

fn main() {}
