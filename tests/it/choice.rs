//! `if` and `match` around calls.

shape! {
    if_and_else: Branches(0, 5, 50, 500) {
        #[workflow]
        async fn branches(x: u64) -> u64 {
            if x == 0 {
                return 1;
            }
            let y = if x < 10 {
                double(x).await
            } else if x < 100 {
                let half = add(x, x).await;
                add(half, 1).await
            } else {
                x
            };
            add(y, x).await
        }
    }
}

shape! {
    arms_of_unequal_length: Unequal(0, 1, 2, 3) {
        #[workflow]
        async fn unequal(x: u64) -> u64 {
            let mut total = x;
            if x > 0 {
                total = double(total).await;
                if x > 1 {
                    total = add(total, 1).await;
                    total = add(total, 2).await;
                }
            }
            if total > 5 { double(total).await } else { total }
        }
    }
}

shape! {
    match_with_patterns_and_guards: Matches(Shape::Dot, Shape::Line(3), Shape::Line(30), Shape::Area { w: 2, h: 3 }) {
        #[workflow]
        async fn matches(shape: Shape) -> u64 {
            match shape {
                Shape::Dot => 0,
                Shape::Line(n) if n > 10 => double(n).await,
                Shape::Line(n) => {
                    let a = add(n, 1).await;
                    double(a).await
                }
                Shape::Area { w, h } => {
                    let area = w * h;
                    add(area, w).await + h
                }
            }
        }

        #[derive(Clone, Serialize, Deserialize)]
        pub enum Shape { Dot, Line(u64), Area { w: u64, h: u64 } }
    }
}

shape! {
    if_let_and_let_else: Lets(None, Some(0), Some(4)) {
        #[workflow]
        async fn lets(maybe: Option<u64>) -> u64 {
            let Some(x) = maybe else { return double(1).await };
            let found = if let Some(y) = find(x).await { add(x, y).await } else { 99 };
            let Some(z) = find(found).await else {
                let instead = double(found).await;
                return instead + 1000;
            };
            if let (Some(a), b) = (find(z).await, z) && a > b { a } else { b(z) }
        }

        fn b(z: u64) -> u64 { z }

        #[function(on = AWS)]
        async fn find(x: u64) -> Option<u64> { (x > 0 && x < 50).then_some(x + 1) }
    }
}

shape! {
    scrutinee_is_a_call: Scrutinee(1, 2, 3) {
        #[workflow]
        async fn scrutinee(x: u64) -> String {
            let kept = x.to_string();
            let text = match double(x).await {
                2 => "two".to_owned(),
                n @ 3..=5 => name(n).await,
                n => {
                    let inner = match halve(n).await {
                        Ok(half) if half > 100 => "large".to_owned(),
                        Ok(half) => name(half).await,
                        Err(e) => e.to_string(),
                    };
                    format!("{inner}?")
                }
            };
            format!("{text}{kept}")
        }

        #[function(on = AWS)]
        async fn name(x: u64) -> String { format!("n{x}") }
    }
}

shape! {
    assigned_in_every_arm: Late(0, 1, 2) {
        #[workflow]
        async fn late(x: u64) -> u64 {
            let result;
            let extra: u64;
            if x == 0 {
                result = 5;
                extra = double(1).await;
            } else if x == 1 {
                extra = 7;
                result = double(x).await;
            } else {
                result = add(x, x).await;
                extra = result + 1;
            }
            let last = double(result).await;
            last + extra
        }
    }
}

shape! {
    choice_in_a_map_with_unequal_arms: Uneven(vec![], vec![0, 1, 2, 3, 4, 5]) {
        #[workflow]
        async fn uneven(list: Vec<u64>) -> Vec<u64> {
            fan_out(list, async |x| {
                if x == 0 {
                    7
                } else if x % 2 == 0 {
                    let a = double(x).await;
                    let b = add(a, x).await;
                    double(b).await
                } else {
                    let mut y = x;
                    if x > 2 {
                        y = double(y).await;
                    }
                    add(y, 1).await
                }
            })
            .await
        }
    }
}
