use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let mut list = vec![x];
        let (a, b) = join!(
            async {
                list.push(1);
                double(x).await
            },
            double(2)
        );
        a + b + list[0]
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
