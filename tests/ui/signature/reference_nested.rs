use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(vec![]).await + x
    }

    #[function]
    async fn double(x: Vec<&[u8]>) -> u32 {
        2 * x.len() as u32
    }
}

fn main() {}
