//! A strict crate: nothing that is generated makes rustc say a word.
#![deny(warnings)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused, unused_results)]
#![deny(unused_qualifications, unused_crate_dependencies, let_underscore_drop, trivial_casts)]
#![deny(rust_2018_idioms, future_incompatible, nonstandard_style, single_use_lifetimes)]
#![warn(clippy::all, clippy::pedantic, clippy::nursery, clippy::unwrap_used, clippy::indexing_slicing)]
#![forbid(unsafe_code)]
#![allow(unused_crate_dependencies)]

use jointlambda::prelude::*;

jointlambda::workflow! {
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Adds up.
    ///
    /// And more.
    #[workflow]
    async fn total(list: Vec<u32>) -> Result<Summary> {
        let mut sum = 0;
        let doubled = fan_out(list.clone(), async |x| {
            let x = double(x).await;
            let (x, more) = join!(double(x), async { x + 1 });
            if x > 3 { double(x + more).await } else { x }
        })
        .await;
        for x in doubled {
            sum += double(x).await;
            while sum > 1000 {
                sum = halve(sum).await?;
            }
        }
        let text = match list.len() {
            0 => "none".to_owned(),
            n => format!("{n}, {sum}"),
        };
        let end = double(sum).await;
        Ok(Summary { text, last: end })
    }

    /// What is found.
    #[derive(Clone, Debug, Serialize, Deserialize)]
    struct Summary {
        text: String,
        last: u32,
    }

    /// Doubles.
    #[function(on = AWS, failover = [ALI])]
    async fn double(x: u32) -> u32 {
        2 * x
    }

    #[function(on = ALI)]
    async fn halve(x: u32) -> Result<u32> {
        Ok(x / 2)
    }
}

fn main() {
    const fn used<W: jointlambda::Workflow>() {}
    used::<Total>();
    let summary = Summary { text: String::new(), last: 0 };
    drop((summary.text, summary.last));
}
