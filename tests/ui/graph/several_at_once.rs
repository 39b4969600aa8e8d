use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let y = dubble(x).await;
        let later = double(x);
        let (a, b) = join!(double(y).await, x);
        std::thread::sleep(std::time::Duration::from_secs(1));
        select!();
        fan_out([a, b], double).await.len() as u32
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    async fn dubble(x: u32) -> u32 {
        x
    }
}

fn main() {}
