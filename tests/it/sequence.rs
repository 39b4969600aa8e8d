//! One call after another.

shape! {
    one_call: Once(0, 7) {
        #[workflow]
        async fn once(x: u64) -> u64 {
            double(x).await
        }
    }
}

shape! {
    no_call: Nothing(3) {
        #[workflow]
        async fn nothing(x: u64) -> u64 {
            x + 1
        }
    }
}

shape! {
    no_parameters: Fixed(()) {
        #[workflow]
        async fn fixed() -> u64 {
            add(double(2).await, 3).await
        }
    }
}

shape! {
    many_parameters: Many((1, "a".to_owned(), vec![2, 3], Some(4))) {
        #[workflow]
        async fn many(x: u64, text: String, list: Vec<u64>, maybe: Option<u64>) -> (u64, String, Vec<u64>) {
            let sum = sum(list.clone(), maybe).await;
            let y = add(sum, x).await;
            (y, text, list)
        }

        #[function(on = AWS)]
        async fn sum(list: Vec<u64>, maybe: Option<u64>) -> u64 {
            list.into_iter().chain(maybe).sum()
        }
    }
}

shape! {
    unit_values: Unit(1) {
        #[workflow]
        async fn unit(x: u64) {
            note(x).await;
            nothing().await
        }

        #[function(on = AWS)]
        async fn note(_x: u64) {}

        #[function(on = ALI)]
        async fn nothing() {}
    }
}

shape! {
    /// Names that begin with one another must not be taken for one another.
    names_that_are_prefixes: Prefixes(1, 2) {
        #[workflow]
        async fn prefixes(x: u64) -> (u64, u64, u64) {
            let a = f(x).await;
            let b = f1(a).await;
            let c = f11(b).await;
            (a, b, c)
        }

        #[function(on = AWS)]
        async fn f(x: u64) -> u64 { x + 1 }
        #[function(on = AWS)]
        async fn f1(x: u64) -> u64 { x + 10 }
        #[function(on = AWS)]
        async fn f11(x: u64) -> u64 { x + 100 }
    }
}

shape! {
    variables_that_live_long: Long(5) {
        #[workflow]
        async fn long(x: u64) -> (u64, u64, u64, u64) {
            let a = double(x).await;
            let b = double(a).await;
            let c = double(b).await;
            let d = double(c).await;
            (a, b, c, d)
        }
    }
}

shape! {
    shadowed_names: Shadows(3) {
        #[workflow]
        async fn shadows(x: u64) -> String {
            let x = double(x).await;
            let y = {
                let x = x + 1;
                double(x).await + x
            };
            let text = format!("{x} {y}");
            let x = describe(text).await;
            let x = format!("{x}!");
            let _ = double(1).await;
            x
        }

        #[function(on = AWS)]
        async fn describe(x: String) -> String { format!("<{x}>") }
    }
}

shape! {
    destructuring: Parts((1, 2)) {
        #[workflow]
        async fn parts(pair: (u64, u64)) -> u64 {
            let (a, b) = pair;
            let Point { x, y: [first, .., last] } = point(a, b).await;
            let (mut sum, rest) = (x + first, last);
            sum += double(rest).await;
            add(sum, b).await
        }

        #[derive(Serialize, Deserialize)]
        struct Point { x: u64, y: [u64; 3] }

        #[function(on = AWS)]
        async fn point(a: u64, b: u64) -> Point { Point { x: a, y: [a, b, a + b] } }
    }
}

shape! {
    calls_inside_expressions: Inside(4) {
        #[workflow]
        async fn inside(x: u64) -> Vec<u64> {
            let mut list = vec![double(x).await, x, double(x + 1).await + double(x).await];
            list.push(add(double(1).await, double(2).await).await);
            let total = list.iter().sum::<u64>() + [double(9).await, 1][0];
            let pair = (double(total).await, Some(double(5).await));
            list.extend([pair.0, pair.1.unwrap_or_default()]);
            let text = format!("{} {} {x}", double(6).await, x);
            list.push(text.len() as u64);
            list
        }
    }
}

shape! {
    order_of_evaluation: Ordered(4) {
        #[workflow]
        async fn ordered(x: u64) -> Vec<u64> {
            let mut log = Vec::new();
            let mut note = 0;
            let before = { note += 1; note } + double(x).await;
            log.push(before);
            let after = double(x).await + { note += 10; note };
            log.push(after);
            log.push(note);
            let text = "abc".to_owned().replace('b', &double(1).await.to_string());
            log.push(text.len() as u64);
            log
        }
    }
}

shape! {
    lazy_operators: Lazy(0, 1, 2, 3) {
        #[workflow]
        async fn lazy(x: u64) -> (bool, bool, bool) {
            let a = x > 1 && double(x).await > 4;
            let b = x == 0 || double(x).await == 2;
            let c = !(x > 2 || double(x).await == 0) && (x < 2 || double(x).await > 3);
            (a, b, c)
        }
    }
}

shape! {
    /// Faults come between the attempts of a function, and beside the read that it waits for.
    a_retry_and_a_read_before: Careful(0, 1) {
        #[workflow]
        async fn careful(x: u64) -> Result<u64> {
            let y = match tried(add(x, 1).await).await {
                Ok(y) => y,
                Err(_) => looked(x).await,
            };
            Ok(add(y, looked(y).await).await)
        }

        #[function(on = AWS, retry(attempts = 3, backoff = "1s", jitter = 50))]
        async fn tried(x: u64) -> Result<u64> {
            if x % 2 == 0 { Ok(x) } else { Err(Error::new("it is odd")) }
        }

        #[function(on = ALI, failover = [AWS], dedupe = before)]
        async fn looked(x: u64) -> u64 { 3 * x }
    }
}
