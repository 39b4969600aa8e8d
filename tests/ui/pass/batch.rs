//! Batch functions: called with one value in the workflow, with many in a unit test.

#![deny(warnings)]

use jointlambda::prelude::*;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Text(String);

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    #[workflow]
    pub async fn measure(texts: Vec<String>) -> Result<u64> {
        let mut sum = 0;
        for text in texts.clone() {
            // The literal, the call as an argument, and the match are where types have to flow.
            sum += length(Text(text.to_uppercase())).await + u64::from(half(8).await?);
        }
        let all = try_fan_out(texts, async |text| match half(length(Text(text)).await as u32).await {
            Ok(half) => Ok(half),
            Err(error) => Err(error),
        })
        .await?;
        let (a, b) = try_join!(half(2), async { Ok(length(Text(String::new())).await) })?;
        Ok(sum + all.len() as u64 + u64::from(a) + b)
    }

    /// Measures texts.
    #[function(on = ALI, failover = [AWS], batch(size = 2, wait = "1ms"))]
    async fn length(texts: Vec<Text>) -> Vec<u64> {
        texts.iter().map(|text| text.0.len() as u64).collect()
    }

    #[function(on = AWS, timeout = "840s", batch(size = 128, wait = "60s"))]
    async fn half(numbers: std::vec::Vec<u32>) -> Vec<Result<u32>> {
        numbers.into_iter().map(|x| if x % 2 == 0 { Ok(x / 2) } else { Err(Error::new("odd")) }).collect()
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(length(vec![Text("a".into()), Text("bc".into())]).await, [1, 2]);
        assert_eq!(measure(vec!["four".into()]).await.ok(), Some(4 + 4 + 1 + 1));
    });
}
