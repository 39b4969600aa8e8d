//! `join!` and `try_join!`.

shape! {
    two_calls: Two(3) {
        #[workflow]
        async fn two(x: u64) -> (u64, u64) {
            join!(double(x), add(x, 1))
        }
    }
}

shape! {
    the_same_function_twice: Twins(1) {
        #[workflow]
        async fn twins(x: u64) -> u64 {
            let (a, b, c) = join!(double(x), double(x + 1), double(x + 2));
            add(a * 100 + b * 10, c).await
        }
    }
}

shape! {
    blocks_of_several_calls: Blocks(1, 5) {
        #[workflow]
        async fn blocks(x: u64) -> (u64, String, Vec<u64>) {
            let base = double(x).await;
            let label = format!("l{x}");
            let (a, b, c) = join!(
                async {
                    let y = double(base).await;
                    if y > 10 { y } else { add(y, base).await }
                },
                async { format!("{label}{}", double(1).await) },
                fan_out(0..x, async |i| add(i, base).await),
            );
            let more = double(base).await;
            (a + more, b + &label, c)
        }
    }
}

shape! {
    one_branch: Single(2) {
        #[workflow]
        async fn single(x: u64) -> u64 {
            let (only,) = join!(double(x));
            only
        }
    }
}

shape! {
    try_join_first_error_in_order: Tries((2, 4), (3, 4), (2, 5), (3, 5)) {
        #[workflow]
        async fn tries(pair: (u64, u64)) -> Result<u64> {
            let (a, b) = try_join!(halve(pair.0), async {
                let d = double(pair.1).await;
                let h = halve(d / 2).await?;
                Ok(h)
            })?;
            Ok(add(a, b).await)
        }
    }
}

shape! {
    joins_in_joins: Deep(1) {
        #[workflow]
        async fn deep(x: u64) -> ((u64, (u64, u64)), u64) {
            join!(
                async {
                    let first = double(x).await;
                    let pair = join!(double(first), async { add(first, x).await });
                    (first, pair)
                },
                double(x),
            )
        }
    }
}

shape! {
    join_of_nothing_to_call: Quiet(1) {
        #[workflow]
        async fn quiet(x: u64) -> (u64, u64) {
            let (a, b) = join!(async { x + 1 }, async { x + 2 });
            (double(a).await, b)
        }
    }
}

shape! {
    moved_into_branches: Moved("ab".to_owned()) {
        #[workflow]
        async fn moved(text: String) -> (String, String) {
            let other = text.clone() + "!";
            join!(async move { echo(text).await }, async { echo(other).await })
        }

        #[function(on = AWS)]
        async fn echo(text: String) -> String { text + "?" }
    }
}
