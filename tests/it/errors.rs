//! `?`, error edges, error types of one's own.

shape! {
    question_mark_ends_the_run: Asks(4, 6, 8, 3) {
        #[workflow]
        async fn asks(x: u64) -> Result<u64> {
            let a = halve(x).await?;
            let b = halve(a).await?;
            let n: u64 = b.to_string().parse()?;
            Ok(add(n, halve(b).await?).await)
        }
    }
}

shape! {
    compensation: Undoes(2, 3) {
        #[workflow]
        async fn undoes(x: u64) -> String {
            let booked = double(x).await;
            match halve(x).await {
                Ok(half) => format!("{booked} {half}"),
                Err(error) => {
                    let undone = add(booked, 1).await;
                    format!("{undone}: {error}")
                }
            }
        }
    }
}

shape! {
    error_types_are_converted: Converts(2, 3, 300) {
        #[workflow]
        async fn converts(x: u64) -> std::result::Result<u8, Trouble> {
            let half = halve(x).await?;
            let checked = check(half).await?;
            Ok(u8::try_from(checked)?)
        }

        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub enum Trouble { Odd(String), Seven, Large }
        impl From<Error> for Trouble { fn from(e: Error) -> Self { Trouble::Odd(e.to_string()) } }
        impl From<Seven> for Trouble { fn from(_: Seven) -> Self { Trouble::Seven } }
        impl From<std::num::TryFromIntError> for Trouble { fn from(_: std::num::TryFromIntError) -> Self { Trouble::Large } }

        #[derive(Debug, Serialize, Deserialize)]
        pub struct Seven;

        #[function(on = AWS)]
        async fn check(x: u64) -> std::result::Result<u64, Seven> { if x == 7 { Err(Seven) } else { Ok(x * 3) } }
    }
}

shape! {
    question_mark_on_options: Perhaps(1, 5, 60) {
        #[workflow]
        async fn perhaps(x: u64) -> Option<u64> {
            let a = small(x).await?;
            let list = vec![a, a + 1];
            let second = list.get(1)?;
            let b = small(*second).await?;
            Some(double(b).await)
        }

        #[function(on = AWS)]
        async fn small(x: u64) -> Option<u64> { (x < 50).then_some(x * 9) }
    }
}

shape! {
    errors_inside_macros_and_closures: Inside(2, 3) {
        #[workflow]
        async fn inside(x: u64) -> Result<Vec<u64>> {
            fn parse(text: &str) -> Result<u64> { Ok(text.parse::<u64>()?) }
            let strict = |text: &str| -> Result<u64> { Ok(text.parse::<u64>()?) };
            strict("3")?;
            let list = vec![parse("4")?, halve(x).await?, x];
            let text = format!("{}", parse("5")? + halve(x).await?);
            assert!(!text.is_empty(), "{}", parse("1")?);
            let mapped: Vec<u64> = list.iter().map(|n| { if *n > 3 { return 0; } n + 1 }).collect();
            let n = double(parse(&text)?).await;
            Ok(mapped.into_iter().chain([n]).collect())
        }
    }
}

shape! {
    results_kept_as_values: Keeps(vec![1, 2, 3]) {
        #[workflow]
        async fn keeps(list: Vec<u64>) -> Vec<std::result::Result<u64, String>> {
            let all = fan_out(list, async |x| halve(x).await).await;
            let n = double(all.iter().filter(|r| r.is_ok()).count() as u64).await;
            all.into_iter().map(|r| r.map_err(|e| e.to_string())).chain([Ok(n)]).collect()
        }
    }
}
