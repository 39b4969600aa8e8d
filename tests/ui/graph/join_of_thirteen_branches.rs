use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let all = join!(
            double(0),
            double(1),
            double(2),
            double(3),
            double(4),
            double(5),
            double(6),
            double(7),
            double(8),
            double(9),
            double(10),
            double(11),
            double(12),
        );
        double(x).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
