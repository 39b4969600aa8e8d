use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    #[workflow]
    pub async fn twice(x: u32) -> u32 {
        double(double(x).await).await
    }

    #[function(memroy = 2048)]
    async fn double(x: u32) -> u32 {
        2 * x
    }
}

fn run<W: Clone + Default>() -> W {
    W::default().clone()
}

fn main() {
    run::<Twice>();
}
