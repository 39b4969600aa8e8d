//! Everything in everything.

shape! {
    video_like: Pipeline(0, 1, 5) {
        #[workflow]
        async fn pipeline(n: u64) -> Result<String> {
            let chunks = split(n).await?;
            let labels = try_fan_out(chunks, async |chunk| {
                let frame = double(chunk).await;
                label(frame).await
            })
            .await?;
            let (report, thumb) = try_join!(recognise(labels.clone()), poster(labels))?;
            if report < 10 { review(report, thumb).await } else { publish(report, thumb).await }
        }

        #[function(on = AWS, memory = 2048)]
        async fn split(n: u64) -> Result<Vec<u64>> { Ok((0..n).collect()) }
        #[function(on = ALI)]
        async fn label(x: u64) -> Result<u64> { Ok(x + 1) }
        #[function(on = ALI, failover = [AWS])]
        async fn recognise(labels: Vec<u64>) -> Result<u64> { Ok(labels.iter().sum()) }
        #[function(on = AWS)]
        async fn poster(labels: Vec<u64>) -> Result<String> { Ok(format!("{labels:?}")) }
        #[function(on = AWS)]
        async fn review(n: u64, thumb: String) -> Result<String> { Ok(format!("review {n} {thumb}")) }
        #[function(on = AWS)]
        async fn publish(n: u64, thumb: String) -> Result<String> { Ok(format!("publish {n} {thumb}")) }
    }
}

shape! {
    map_of_loops_of_maps: Thick(vec![2, 0, 3]) {
        #[workflow]
        async fn thick(list: Vec<u64>) -> Vec<Vec<u64>> {
            let offset = double(5).await;
            let out = fan_out(list, async |n| {
                let mut all = Vec::new();
                for i in 0..n {
                    let row = fan_out(0..i + 1, async |j| {
                        let mut x = add(i, j).await;
                        while x < offset {
                            x = match halve(x).await {
                                Ok(h) if h > 3 => h + offset,
                                Ok(h) => add(h, 4).await,
                                Err(_) => double(x).await,
                            };
                        }
                        x
                    })
                    .await;
                    let (a, b) = join!(double(row.len() as u64), async { row.iter().sum::<u64>() });
                    all.push(a + b);
                }
                all
            })
            .await;
            let _ = double(offset).await;
            out
        }
    }
}

shape! {
    retries_of_a_flaky_call: Retries(5) {
        #[workflow]
        async fn retries(x: u64) -> Result<u64> {
            let mut last = Err(Error::new("never tried"));
            for attempt in 0..4_u64 {
                last = halve(x + attempt).await;
                if last.is_ok() {
                    break;
                }
            }
            Ok(double(last?).await)
        }
    }
}

shape! {
    choice_that_starts_a_map: Fanned(1, 12) {
        #[workflow]
        async fn fanned(x: u64) -> Vec<u64> {
            let list = if double(x).await > 10 {
                fan_out(0..x, async |i| add(i, x).await).await
            } else {
                let (a, b) = join!(double(x), double(x));
                vec![a, b]
            };
            fan_out(list, async |x| {
                let result = 'r: loop {
                    if x > 15 {
                        break 'r double(x).await;
                    }
                    break x;
                };
                result
            })
            .await
        }
    }
}
