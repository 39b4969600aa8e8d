use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    #[workflow]
    async fn twice(x: u32) -> u32 {
        double(double(x).await).await
    }

    #[function(on = AWZ, memory = 64, timeout = 5)]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function(on = AWS, failover = [AWS], gpu = 4)]
    async fn triple(x: &u32) -> u32 {
        3 * x
    }
}

fn main() {}
