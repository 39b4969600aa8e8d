use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let mut digits = [1, 2, x].into_iter().filter(|x| *x > 1);
        let mut sum = 0;
        while let Some(digit) = digits.next() {
            sum += double(digit).await;
        }
        sum
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn main() {}
