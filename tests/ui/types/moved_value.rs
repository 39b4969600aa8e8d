use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let text = x.to_string();
        let y = len(text).await;
        y + text.len() as u32
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function]
    async fn len(text: String) -> u32 {
        text.len() as u32
    }
}

fn main() {}
