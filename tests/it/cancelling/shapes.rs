//! Workflows that are cancelled, beside those of `many_faults.rs`.

pub(crate) mod nest {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        /// Fan-outs in a fan-out in a loop, with values that are stored.
        #[workflow]
        pub(crate) async fn nest(n: u64) -> Vec<u8> {
            let mut last = Vec::new();
            for turn in 0..2 {
                let first = fill(turn).await;
                let rows = fan_out(0..n, async |x| {
                    let row = fan_out(0..2, async |y| pick(first.clone(), x + y).await).await;
                    fill(row.iter().sum::<u64>()).await
                })
                .await;
                last = rows.concat();
            }
            last
        }

        #[function(on = ALI, failover = [AWS])]
        async fn fill(x: u64) -> Vec<u8> { vec![x as u8; 9_000] }

        #[function(on = AWS)]
        async fn pick(from: Vec<u8>, at: u64) -> u64 { u64::from(from[at as usize]) + at }
    }
}

/// A race in a fan-in that waits for the first two.
pub(crate) mod race {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn race(n: u64) -> Result<Vec<u64>> {
            let won = first_ok(2, 0..n, async |x| {
                let drawn = draw(x).await?;
                race!(look(drawn.0), async { draw(drawn.0).await.map(|(x, _)| x) })
            })
            .await?;
            Ok(vec![look(won[0]).await?, look(won[1]).await?])
        }

        #[function(on = ALI, failover = [AWS])]
        async fn draw(x: u64) -> Result<(u64, u64)> {
            if x == 1 { Err(Error::new("not this one")) } else { Ok((7, crate::many_faults::nonce())) }
        }

        #[function(on = AWS)]
        async fn look(x: u64) -> Result<u64> { Ok(x) }
    }
}

/// A branch that may fail does so in its last fan-out, while the rest of that is still at it.
pub(crate) mod partly {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn partly(n: u64) -> Result<u64> {
            let won = first_ok(1, 0..n, async |x| {
                let all = fan_out(0..2, async |y| {
                    if x + y == 0 { fails(y).await } else { next(slow(x + y).await).await }
                })
                .await;
                Ok::<u64, Error>(all.iter().sum::<u64>())
            })
            .await?;
            Ok(next(won[0]).await)
        }

        #[function(on = AWS)]
        async fn fails(x: u64) -> u64 {
            std::panic::resume_unwind(Box::new(format!("{x} is broken")))
        }

        #[function(on = ALI)]
        async fn slow(x: u64) -> u64 {
            tokio::time::sleep(std::time::Duration::from_secs(6)).await;
            x
        }

        #[function(on = AWS)]
        async fn next(x: u64) -> u64 { x + 1 }
    }
}

/// Branches that share batches.
pub(crate) mod member {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn member(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| {
                let (y, drawn) = square(x).await;
                next(y, drawn).await
            })
            .await;
            square(all.iter().sum::<u64>()).await.0
        }

        #[function(on = ALI, failover = [AWS], batch(size = 2, wait = "2s"))]
        async fn square(items: Vec<u64>) -> Vec<(u64, u64)> {
            items.into_iter().map(|x| (x * x, crate::many_faults::nonce())).collect()
        }

        #[function(on = AWS)]
        async fn next(x: u64, _drawn: u64) -> u64 { x + 1 }
    }
}

/// A fan-out that is started by relays, with a fan-in of several rows.
pub(crate) mod wide {
    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn wide(n: u64) -> u64 {
            let all = fan_out(0..n, async |x| {
                let y = next(x).await;
                if y % 2 == 0 { there(y).await } else { y }
            })
            .await;
            next(all.iter().sum::<u64>()).await
        }

        #[function(on = AWS)]
        async fn next(x: u64) -> u64 { x + 1 }

        #[function(on = ALI)]
        async fn there(x: u64) -> u64 { x * 2 }
    }
}
