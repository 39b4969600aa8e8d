use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    async fn run(x: u32) -> u32 {
        let clip = Clip { frames: x };
        count(clip).await
    }

    #[function]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[derive(Deserialize)]
    struct Clip {
        frames: u32,
    }

    #[function]
    async fn count(clip: Clip) -> u32 {
        clip.frames
    }
}

fn main() {}
