//! A workflow that needs every right of a deployment.

use std::time::Duration;

use jointlambda::prelude::*;

/// Long enough for a row to be read.
const PAUSE: Duration = Duration::from_millis(300);

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("us-east-1");

    /// How long many pieces and a filling are together.
    #[workflow]
    pub async fn rights(branches: u64, fails: bool) -> usize {
        // Too large for the row where they arrive: each has one of its own.
        let pieces = fan_out(0..branches, async |x| piece(x).await).await;
        // Too large for an envelope: an object.
        let filled = fill(pieces).await;
        measure(filled, fails).await
    }

    #[function(on = AWS)]
    async fn piece(x: u64) -> String { x.to_string().repeat(2_000) }

    #[function(on = AWS)]
    async fn fill(pieces: Vec<String>) -> String { pieces.concat() + &"x".repeat(900_000) }

    #[function(on = AWS)]
    async fn measure(filled: String, fails: bool) -> usize {
        // The row is read meanwhile, and whoever is done before that does not wait for it.
        tokio::time::sleep(PAUSE).await;
        assert!(!fails, "as it was told to");
        filled.len()
    }
}
