use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let clip = std::rc::Rc::new(x);
        count(clip).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function]
    async fn count(clip: std::rc::Rc<u32>) -> u32 {
        *clip
    }
}

fn main() {}
