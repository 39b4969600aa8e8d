use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(x).await.map_or(0, |x| x.len() as u32)
    }

    #[function]
    async fn double(x: u32) -> Option<&'static str> {
        if x > 0 { Some("two") } else { None }
    }
}

fn main() {}
