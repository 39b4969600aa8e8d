use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Vec<u32> {
        let list = [x.to_string(), "b".to_owned()];
        fan_out(&list, async |text| {
            let y = double(x).await;
            y + text.len() as u32
        })
        .await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
