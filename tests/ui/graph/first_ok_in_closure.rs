use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> Result<Vec<u32>> {
        let _first = async |list: Vec<u32>| first_ok(1, list, async |x| half(x).await).await;
        half(x).await?;
        Ok(vec![x])
    }

    #[function]
    async fn half(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {}
