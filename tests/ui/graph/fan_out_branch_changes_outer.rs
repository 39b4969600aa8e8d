use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let mut list = vec![];
        let all = fan_out([x, 1], async |x| {
            let y = double(x).await;
            list.push(y);
            y
        })
        .await;
        all.len() as u32 + list[0]
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
