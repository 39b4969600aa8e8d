use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        x
    }

    #[function]
    async fn double(self) -> u32 {
        2
    }
}

fn main() {}
