//! `while`, `loop`, `for` around calls.

shape! {
    while_with_a_condition: Counting(0, 1, 5) {
        #[workflow]
        async fn counting(n: u64) -> u64 {
            let mut x = 1;
            let mut i = 0;
            while i < n {
                x = double(x).await;
                i += 1;
            }
            x
        }
    }
}

shape! {
    condition_is_a_call: Polling(1, 100) {
        #[workflow]
        async fn polling(start: u64) -> (u64, u64) {
            let mut x = start;
            let mut turns = 0;
            while double(x).await < 50 {
                x = add(x, 3).await;
                turns += 1;
            }
            (x, turns)
        }
    }
}

shape! {
    loop_with_break_value: Searching(1, 7) {
        #[workflow]
        async fn searching(start: u64) -> String {
            let mut x = start;
            let found = loop {
                x = add(x, 1).await;
                if x % 5 == 0 {
                    break format!("found {x}");
                }
                if x > 1000 {
                    break "none".to_owned();
                }
                let y = double(x).await;
                if y % 3 == 0 {
                    continue;
                }
                x = y;
            };
            let n = double(found.len() as u64).await;
            format!("{found} {n}")
        }
    }
}

shape! {
    for_over_lists_and_ranges: Each((vec![4, 1], 3), (vec![], 0)) {
        #[workflow]
        async fn each(input: (Vec<u64>, u64)) -> Vec<u64> {
            let (list, n) = input;
            let mut out = Vec::new();
            for x in list.iter().copied().rev() {
                out.push(double(x).await);
            }
            for i in 0..n {
                if i == 1 {
                    continue;
                }
                out.push(add(i, 100).await);
            }
            for i in 1..=n {
                out.push(add(i, 200).await);
            }
            for (i, x) in list.into_iter().enumerate() {
                out.push(add(i as u64, x).await);
            }
            for i in 0.. {
                if i > n {
                    break;
                }
                out.push(double(i).await);
            }
            out
        }
    }
}

shape! {
    nested_loops_with_labels: Labels(3, 6) {
        #[workflow]
        async fn labels(n: u64) -> Vec<u64> {
            let mut out = vec![];
            'outer: for i in 0..n {
                for j in 0..n {
                    if j > i {
                        continue 'outer;
                    }
                    if i * j > 6 {
                        break 'outer;
                    }
                    for skip in [7, 8] {
                        if skip == i + j {
                            continue 'outer;
                        }
                    }
                    out.push(add(i * 10, j).await);
                }
                out.push(double(i).await);
            }
            out
        }
    }
}

shape! {
    map_in_a_loop: Rounds(0, 3) {
        #[workflow]
        async fn rounds(n: u64) -> Vec<u64> {
            let mut list: Vec<u64> = (0..4).collect();
            let mut round = 0;
            while round < n {
                list = fan_out(list, async |x| {
                    let y = add(x, round).await;
                    if y % 2 == 0 { double(y).await } else { y }
                })
                .await;
                round += 1;
            }
            list
        }
    }
}

shape! {
    loop_in_a_map: Collatz(vec![1, 6, 7]) {
        #[workflow]
        async fn collatz(list: Vec<u64>) -> Vec<u64> {
            fan_out(list, async |start| {
                let mut x = start;
                let mut steps = 0;
                while x != 1 {
                    x = if x % 2 == 0 { halve(x).await.unwrap_or(1) } else { add(3 * x, 1).await };
                    steps += 1;
                }
                steps
            })
            .await
        }
    }
}

shape! {
    early_return_inside_a_loop: Leaves(1, 10, 500) {
        #[workflow]
        async fn leaves(start: u64) -> Result<u64> {
            let mut x = start;
            for i in 0..6_u64 {
                x = double(x).await;
                if x > 1000 {
                    return Err(Error::new(format!("{x} after {i}")));
                }
                let y = halve(x + i % 2).await?;
                if y > 30 {
                    return Ok(add(y, i).await);
                }
            }
            Ok(x)
        }
    }
}

shape! {
    while_let_over_a_stack: Stack(vec![3]) {
        #[workflow]
        async fn stack(mut todo: Vec<u64>) -> Vec<u64> {
            let mut seen = Vec::new();
            while let Some(x) = todo.pop() {
                let y = double(x).await;
                seen.push(y);
                if x > 0 {
                    todo.push(x - 1);
                    if x == 2 {
                        todo.push(0);
                    }
                }
            }
            seen
        }
    }
}

shape! {
    labelled_block: Blocky(0, 1, 2) {
        #[workflow]
        async fn blocky(x: u64) -> u64 {
            let y = 'find: {
                if x == 0 {
                    break 'find 9;
                }
                let d = double(x).await;
                if d > 3 {
                    break 'find d;
                }
                add(d, 5).await
            };
            double(y).await
        }
    }
}

shape! {
    loop_that_only_breaks_in_an_arm: Arms(3) {
        #[workflow]
        async fn arms(x: u64) -> u64 {
            let mut n = x;
            loop {
                match double(n).await {
                    d if d > 20 => break d,
                    d => n = d,
                }
            }
        }
    }
}
