//! A program whose workflow has no parameter and returns no `Result`, for the tests of the command
//! line.

use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");

    /// Answers.
    #[workflow]
    pub async fn answer() -> u32 {
        think().await
    }

    #[function(on = AWS)]
    async fn think() -> u32 {
        42
    }
}

jointlambda::main!(Answer);
