use jointlambda::prelude::*;

jointlambda::workflow! {
    #[workflow]
    async fn twice(x: u32) -> Result<u32> {
        double(double(x).await?).await
    }

    #[function]
    async fn double(x: u32) -> Result<u32> {
        Ok(2 * x)
    }
}

fn main() {}
