use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Result<u32> {
        let text = shown!(x => halve(x)?);
        let y = double(x).await;
        Ok(text.len() as u32 + y)
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    fn halve(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {}
