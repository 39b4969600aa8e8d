use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let clip = find(x).await;
        clip.frames
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    struct Clip {
        frames: u32,
    }

    #[function]
    async fn find(x: u32) -> Clip {
        Clip { frames: x }
    }
}

fn main() {}
