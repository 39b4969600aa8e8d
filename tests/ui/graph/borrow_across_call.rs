use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let text = x.to_string();
        let shown = &text;
        let y = double(x).await;
        y + shown.len() as u32
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
