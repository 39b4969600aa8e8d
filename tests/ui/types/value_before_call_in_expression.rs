use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let list = [x, 2];
        let text = x.to_string();
        joined(text.as_str(), double(list[0]).await)
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    fn joined(text: &str, x: u32) -> u32 {
        x + text.len() as u32
    }
}

fn main() {}
