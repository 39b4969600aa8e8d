//! A workflow that needs every right of a deployment.

use jointlambda::prelude::*;

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

    // Its row is read first. Others go on when they cannot read theirs: the commit decides.
    #[function(on = AWS, dedupe = before)]
    async fn measure(filled: String, fails: bool) -> usize {
        assert!(!fails, "as it was told to");
        filled.len()
    }
}
