//! `fan_out` and `try_fan_out`, nested and of all sizes.

shape! {
    maps_of_many_sizes: Sized(0, 1, 2, 127, 128, 129, 1000) {
        #[workflow]
        async fn sized(n: u64) -> Vec<u64> {
            fan_out(0..n, async |x| double(x).await).await
        }
    }
}

shape! {
    a_map_is_followed: Followed(vec![3, 1, 2], vec![]) {
        #[workflow]
        async fn followed(list: Vec<u64>) -> u64 {
            let kept = list.len() as u64;
            let doubled = fan_out(list, async |x| {
                let y = double(x).await;
                add(y, x).await
            })
            .await;
            let sum = sum(doubled.clone()).await;
            sum + kept + doubled.len() as u64
        }

        #[function(on = AWS)]
        async fn sum(list: Vec<u64>) -> u64 { list.iter().sum() }
    }
}

shape! {
    nested_maps_of_unequal_sizes: Nested(vec![], vec![vec![]], vec![vec![1], vec![], vec![2, 3, 4]]) {
        #[workflow]
        async fn nested(lists: Vec<Vec<u64>>) -> Vec<u64> {
            fan_out(lists, async |list| {
                let n = list.len() as u64;
                let doubled = fan_out(list, async |x| double(x).await).await;
                let total = doubled.iter().sum::<u64>();
                add(total, n).await
            })
            .await
        }
    }
}

shape! {
    nested_maps_with_nothing_between: Grid(0, 1, 3) {
        #[workflow]
        async fn grid(n: u64) -> Vec<Vec<Vec<u64>>> {
            fan_out(0..n, async |x| {
                fan_out(0..x, async |y| fan_out(0..y, async |z| add(x, y * z).await).await).await
            })
            .await
        }
    }
}

shape! {
    captured_variables: Captures((10, vec![1, 2, 3])) {
        #[workflow]
        async fn captures(input: (u64, Vec<u64>)) -> (Vec<u64>, u64, String) {
            let (base, list) = input;
            let name = "n".repeat(2000);
            let table = vec![base, base + 1];
            let all = fan_out(list.iter().copied(), async |x| {
                let first = add(x, base).await;
                let more = fan_out(0..2_u64, async |y| add(y + first, table[y as usize]).await).await;
                let last = add(more[0], table.len() as u64).await;
                last + more[1] + x + name.len() as u64
            })
            .await;
            let end = double(base).await;
            (all, end + table[1], name)
        }
    }
}

shape! {
    borrowed_items: Borrowed(vec!["a".to_owned(), "bc".to_owned()]) {
        #[workflow]
        async fn borrowed(words: Vec<String>) -> (Vec<String>, usize) {
            let shouted = fan_out(&words, async |word| shout(word.clone()).await).await;
            let again = fan_out(words.iter().enumerate(), async |(i, word)| {
                let text = format!("{i}{word}");
                shout(text).await
            })
            .await;
            (shouted.into_iter().chain(again).collect(), words.len())
        }

        #[function(on = ALI)]
        async fn shout(word: String) -> String { word.to_uppercase() }
    }
}

shape! {
    branches_without_calls: Still(vec![1, 2]) {
        #[workflow]
        async fn still(list: Vec<u64>) -> Vec<u64> {
            let plus = fan_out(list, async |x| x + 1).await;
            fan_out(plus, async |x| if x > 2 { double(x).await } else { x }).await
        }
    }
}

shape! {
    patterns_and_types_in_closures: Patterns(vec![(1, "a".to_owned())]) {
        #[workflow]
        async fn patterns(list: Vec<(u64, String)>) -> Vec<(String, u64)> {
            fan_out(list, async |(n, s): (u64, String)| -> (String, u64) {
                let d = double(n).await;
                (s, d)
            })
            .await
        }
    }
}

shape! {
    errors_in_branches: Fallible(vec![], vec![2, 4], vec![2, 3, 5, 6], vec![7]) {
        #[workflow]
        async fn fallible(list: Vec<u64>) -> Result<u64> {
            let halves = try_fan_out(list, async |x| {
                let h = halve(x).await?;
                Ok::<_, Error>(double(h).await + 1)
            })
            .await?;
            Ok(sum(halves).await)
        }

        #[function(on = AWS)]
        async fn sum(list: Vec<u64>) -> u64 { list.iter().sum() }
    }
}

shape! {
    map_error_caught: Caught(vec![2, 3], vec![2, 4]) {
        #[workflow]
        async fn caught(list: Vec<u64>) -> String {
            match try_fan_out(list.clone(), async |x| halve(x).await).await {
                Ok(halves) => format!("{halves:?}"),
                Err(error) => {
                    let n = double(list.len() as u64).await;
                    format!("{error} {n}")
                }
            }
        }
    }
}

shape! {
    early_return_in_a_branch: Early(vec![1, 20, 3]) {
        #[workflow]
        async fn early(list: Vec<u64>) -> Vec<u64> {
            fan_out(list, async |x| {
                let y = double(x).await;
                if y > 10 {
                    return y;
                }
                let z = add(y, 1).await;
                if z > 4 {
                    return double(z).await;
                }
                z
            })
            .await
        }
    }
}

shape! {
    /// Some outputs are in the slots, and some, equal ones among them, in rows of their own.
    outputs_of_unequal_sizes: Unequal(vec![], vec![3_000, 1, 3_000, 3_001]) {
        #[workflow]
        async fn unequal(sizes: Vec<u64>) -> Vec<usize> {
            let texts = fan_out(sizes, async |size| text(size).await).await;
            lengths(texts).await
        }

        #[function(on = AWS)]
        async fn text(size: u64) -> String { "x".repeat(size as usize) }

        #[function(on = AWS)]
        async fn lengths(texts: Vec<String>) -> Vec<usize> { texts.iter().map(String::len).collect() }
    }
}

shape! {
    large_values: Large(2) {
        #[workflow]
        async fn large(n: u64) -> (usize, usize, u64) {
            let big = fill(n, 140_000).await;
            let parts = fan_out(0..n, async |i| {
                let own = fill(i, 139_000).await;
                let len = measure(own.clone()).await;
                len + own.len() as u64
            })
            .await;
            let all = measure(big.clone()).await;
            let two = fan_out(0..2_u64, async |i| fill(i, 138_000).await).await;
            (big.len(), two.iter().map(String::len).sum(), all + parts.iter().sum::<u64>())
        }

        #[function(on = AWS)]
        async fn fill(x: u64, n: u64) -> String { char::from(b'a' + x as u8).to_string().repeat(n as usize) }

        #[function(on = ALI)]
        async fn measure(text: String) -> u64 { u64::from(text.as_bytes()[0]) + text.len() as u64 }
    }
}
