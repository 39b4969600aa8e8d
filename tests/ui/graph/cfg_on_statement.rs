use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let mut y = x;
        #[cfg(unix)]
        let z = 1;
        #[cfg(not(debug_assertions))]
        {
            y = double(z).await;
        }
        double(y).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
