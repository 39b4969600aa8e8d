//! Ordinary code between calls, whatever it is.

shape! {
    closures_items_and_nested_functions: Local(3) {
        #[workflow]
        async fn local(x: u64) -> u64 {
            const STEP: u64 = 3;
            fn triple(x: u64) -> u64 { STEP * x }
            use std::collections::BTreeMap;
            let mut counts: BTreeMap<String, u64> = BTreeMap::new();
            let add_one = |n: u64| n + 1;
            let y = add_one(triple(x));
            *counts.entry("a".to_owned()).or_default() += double(y).await;
            for word in ["a", "b"] {
                *counts.entry(word.to_owned()).or_default() += STEP;
            }
            let total = counts.values().sum::<u64>();
            counts.insert("t".to_owned(), add(total, triple(1)).await);
            counts.into_values().sum()
        }
    }
}

shape! {
    all_kinds_of_statements: Kinds(3) {
        #[workflow]
        async fn kinds(mut x: u64) -> u64 {
            x += double(x).await;
            x -= 1;
            let mut array = [0_u64; 3];
            array[1] = double(x).await;
            array[0] += add(1, 1).await;
            let mut s = State { n: 1, names: vec![] };
            s.n = double(s.n).await;
            s.names.push(name(s.n).await);
            let State { n, .. } = &s;
            let m = *n;
            let t = State { n: double(m).await, ..s.clone() };
            let u = State { n: 0, names: vec![name(1).await] };
            let r = &mut array;
            r[2] = 4;
            let neg = -(double(2).await as i64);
            let range = double(1).await..add(2, 3).await;
            let rep = [double(7).await; 2];
            let picked = [10, 20, 30][double(1).await as usize];
            let f = u64::from(name(5).await.len() == 2);
            let _unused = double(1).await;
            { let _scoped = double(2).await; }
            unit(()).await;
            (array.iter().sum::<u64>() + s.n + t.n + u.names.len() as u64 + range.count() as u64 + rep[1] + picked + f)
                .wrapping_add(neg as u64)
        }

        #[derive(Clone, Serialize, Deserialize)]
        struct State { n: u64, names: Vec<String> }

        #[function(on = AWS)]
        async fn name(x: u64) -> String { format!("n{x}") }
        #[function(on = AWS)]
        async fn unit(_u: ()) {}
    }
}

shape! {
    types_that_only_later_code_gives: Infers(2) {
        #[workflow]
        async fn infers(x: u64) -> (Vec<u64>, Option<String>, f64) {
            let mut list = Vec::new();
            let mut best = None;
            let n = Default::default();
            let y = double(x).await;
            list.push(y);
            if y > 3 {
                best = Some(y.to_string());
            }
            let z = add(y, n).await;
            let ratio = z as f64 / 3.0;
            let nan = f64::NAN;
            let w = double(z).await;
            list.push(w);
            (list, best, if nan.is_nan() { ratio } else { 0.0 })
        }
    }
}

shape! {
    collections_and_odd_types: Odd(2) {
        #[workflow]
        async fn odd(x: u64) -> String {
            let map: std::collections::BTreeMap<(u8, char), Vec<Option<i8>>> =
                [((1, 'a'), vec![Some(-1), None]), ((2, 'é'), vec![])].into();
            let tree = Tree { value: -5, kids: vec![Tree { value: 6, kids: vec![] }] };
            let bytes: Box<[u8]> = vec![0, 200, 255].into();
            let big = u128::MAX;
            let unit = Marker;
            let y = double(x).await;
            format!("{map:?} {tree:?} {bytes:?} {big} {unit:?} {y}")
        }

        #[derive(Debug, Serialize, Deserialize)]
        struct Tree { value: i32, kids: Vec<Tree> }
        #[derive(Debug, Serialize, Deserialize)]
        struct Marker;
    }
}

shape! {
    borrows_between_calls: Borrows("one two".to_owned()) {
        #[workflow]
        async fn borrows(text: String) -> u64 {
            let words: Vec<&str> = text.split(' ').collect();
            let longest = words.iter().map(|w| w.len()).max().unwrap_or(0) as u64;
            let first = &text[..3];
            let n = first.len() as u64;
            let y = add(longest, n).await;
            let again = text.as_str();
            match again.len() {
                7 => add(y, again.len() as u64).await,
                _ => y,
            }
        }
    }
}
