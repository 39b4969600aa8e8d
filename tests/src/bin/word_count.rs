//! A program with `jointlambda::main!`, for the tests of the command line: two parameters, every
//! kind of end, and functions that take as long as they are told.

use std::time::Duration;

use jointlambda::prelude::*;

/// What is known of all pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    words: usize,
    longest: String,
}

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Counts the words of pages.
    #[workflow]
    pub async fn word_count(pages: Vec<String>, pause_ms: u64) -> Result<Tally> {
        let pages = clean(pages, pause_ms).await?;
        let counts = try_fan_out(pages, async |page| {
            let words = split(page, pause_ms).await?;
            count(words, pause_ms).await
        })
        .await?;
        let (words, longest) = try_join!(sum(counts.clone(), pause_ms), longest(counts, pause_ms))?;
        if words > 1_000_000 {
            return Err(Error::new("too many words"));
        }
        publish(words, longest, pause_ms).await
    }

    /// Removes what surrounds a page.
    #[function(on = AWS, memory = 256)]
    async fn clean(pages: Vec<String>, pause_ms: u64) -> Result<Vec<String>> {
        pause(pause_ms).await;
        if pages.iter().any(|page| page == "refuse") {
            return Err(Error::new("the page is refused").context("failed to clean the pages"));
        }
        Ok(pages.into_iter().map(|page| page.trim().to_owned()).collect())
    }

    /// Splits a page into words.
    #[function(on = ALI, failover = [AWS], memory = 512)]
    async fn split(page: String, pause_ms: u64) -> Result<Vec<String>> {
        pause(pause_ms).await;
        assert_ne!(page, "panic", "this page is bad");
        // A page that names a file is bad for as long as the file is there.
        if let Some(file) = page.strip_prefix("panic while ") {
            assert!(!std::path::Path::new(file).exists(), "this page is bad");
        }
        // So is one that ends the process, each time a little of the file.
        if let Some(file) = page.strip_prefix("abort while ")
            && let Ok(left) = std::fs::read_to_string(file)
        {
            match left.len() {
                0 | 1 => std::fs::remove_file(file).expect("it is there"),
                len => std::fs::write(file, &left[1..len]).expect("it is there"),
            }
            std::process::abort();
        }
        Ok(page.split_whitespace().map(str::to_owned).collect())
    }

    #[function(on = ALI, memory = 512)]
    async fn count(words: Vec<String>, pause_ms: u64) -> Result<(usize, String)> {
        pause(pause_ms).await;
        let longest = words.iter().max_by_key(|word| word.len()).cloned();
        Ok((words.len(), longest.unwrap_or_default()))
    }

    #[function(on = AWS, memory = 256)]
    async fn sum(counts: Vec<(usize, String)>, pause_ms: u64) -> Result<usize> {
        pause(pause_ms).await;
        Ok(counts.iter().map(|(words, _)| words).sum())
    }

    #[function(on = AWS, memory = 256)]
    async fn longest(counts: Vec<(usize, String)>, pause_ms: u64) -> Result<String> {
        pause(pause_ms).await;
        Ok(counts.into_iter().map(|(_, word)| word).max_by_key(String::len).unwrap_or_default())
    }

    #[function(on = ALI, memory = 512)]
    async fn publish(words: usize, longest: String, pause_ms: u64) -> Result<Tally> {
        pause(pause_ms).await;
        Ok(Tally { words, longest })
    }
}

async fn pause(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

jointlambda::main!(WordCount);
