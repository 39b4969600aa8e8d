use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let list = vec![x, 1];
        let mut sum = 0;
        for x in &list {
            sum += double(*x).await;
        }
        sum
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
