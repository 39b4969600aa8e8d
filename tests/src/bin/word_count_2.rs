//! Another version of the workflow of `word_count.rs`, for the tests of the command line.

use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Counts pages.
    #[workflow]
    pub async fn word_count(pages: Vec<String>, pause_ms: u64) -> usize {
        let pages = count(pages, pause_ms).await;
        tell(pages).await
    }

    #[function(on = AWS)]
    async fn count(pages: Vec<String>, _pause_ms: u64) -> usize {
        pages.len()
    }

    #[function(on = ALI)]
    async fn tell(pages: usize) -> usize {
        pages
    }
}

jointlambda::main!(WordCount);
