//! A workflow whose functions tell of each execution, on stderr.

use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("us-east-1");

    /// Twice a number and one.
    #[workflow]
    pub async fn told(x: u64) -> u64 {
        let twice = double(x).await;
        increment(twice).await
    }

    #[function(on = AWS, timeout = "25s")]
    async fn double(x: u64) -> u64 {
        eprintln!("double {x}");
        2 * x
    }

    #[function(on = AWS, timeout = "25s")]
    async fn increment(x: u64) -> u64 {
        eprintln!("increment {x}");
        x + 1
    }
}
