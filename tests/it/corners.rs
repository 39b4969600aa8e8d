//! Corners of the language, where names, liveness, order of evaluation or jumps are easy to get wrong.

shape! {
    assigned_late_in_glue: AssignedLate(0, 1, 5) {
        #[workflow]
        async fn assigned_late(x: u64) -> (u64, u64, String, u64) {
            let a;
            let (b, c);
            let text;
            let y = double(x).await;
            if y > 4 { a = 1 } else { a = y }
            (b, c) = (add(a, y).await, "c".to_owned());
            let z = double(y).await;
            match z {
                0 => text = "none".to_owned(),
                n if n > 4 => { text = format!("{n}"); }
                _ => {
                    let inner = c.clone();
                    text = inner + "!";
                }
            }
            let d;
            loop {
                d = z + 1;
                break;
            }
            (a + add(z, 1).await, b, text + &c, d)
        }
    }
}

shape! {
    assigned_late_in_loops: LateLoops(0, 1, 4) {
        #[workflow]
        async fn late_loops(n: u64) -> Vec<u64> {
            let mut out = vec![];
            let mut last;
            let mut i = 0;
            while i < n {
                let turn;
                let y = double(i).await;
                if y % 4 == 0 {
                    last = y;
                    turn = 1;
                } else {
                    last = add(y, 1).await;
                    turn = 2;
                }
                let z = add(last, turn).await;
                out.push(z + last);
                i += 1;
            }
            out
        }
    }
}

shape! {
    moved_and_reassigned: Reassigned(0, 1, 2) {
        #[workflow]
        async fn reassigned(x: u64) -> (String, u64) {
            let mut text = "start".to_owned();
            for i in 0..x + 1 {
                if i % 2 == 0 {
                    let n = len(text).await;
                    text = format!("after {n}");
                } else {
                    let n = double(i).await;
                    drop(text);
                    text = n.to_string();
                }
            }
            let gone = text;
            text = String::from("new");
            let n = len(gone).await;
            (text, n)
        }

        #[function(on = AWS)]
        async fn len(text: String) -> u64 { text.len() as u64 }
    }
}

shape! {
    names_of_many_scopes: ManyScopes(0, 1, 7) {
        #[workflow]
        #[allow(non_snake_case)]
        async fn many_scopes(x: u64) -> Vec<String> {
            let mut out = vec![];
            if x > 0 {
                let total = double(x).await;
                let n = total + 1;
                out.push(format!("{total} {n}"));
            }
            // `total` is a function here, and `n` no variable.
            out.push(total(3).to_string());
            out.push(matches!(Some(x), Some(n) if n > 3).to_string());
            {
                let total = add(x, 1).await;
                let other = total;
                out.push(other.to_string());
            }
            let x__2 = total(4);
            let x = double(x).await;
            let __t1 = x + x__2;
            let __m = double(x).await;
            let __v0 = add(__t1, __m).await;
            let glue = __v0;
            out.push(format!("{x} {x__2} {__t1} {__m} {glue}"));
            out.push(glue.to_string());
            out
        }

        fn total(x: u64) -> u64 { x * 100 }
    }
}

shape! {
    shadowing_in_format_strings: Formats(3) {
        #[workflow]
        async fn formats(x: u64) -> Vec<String> {
            let width = 3;
            let mut out = vec![format!("{x:>width$}")];
            let x = double(x).await;
            let width = double(4).await as usize;
            out.push(format!("{x:>width$} {{x}} {0:<width$.width$}|", "text"));
            out.push(format!(r#"raw "{x}" {{x}}"#));
            out.push(format!("{y} {x}", y = x + 1));
            let y = double(x).await;
            let y = y.to_string();
            out.push(format!("{y} {x}", y = x + 2));
            out.push(format!("{y:?} {z}", z = double(9).await));
            out.extend(["{x}".to_owned(), vec!["{y}"].concat(), vec!["{x}"; 2].concat(), concat!("{", "x}").to_owned()]);
            assert!(double(1).await == 2, "{y} {x:width$}");
            assert_eq!(double(1).await, 2, "{y} {x:width$}");
            assert_eq!("{x}".len(), 3, "{x}");
            let mut text = String::new();
            {
                use std::fmt::Write as _;
                write!(text, "{y} {}", double(x).await).unwrap();
                writeln!(text, "{y:>width$}").unwrap();
            }
            out.push(text);
            out
        }
    }
}

shape! {
    shadowing_in_literals_and_patterns: Literals(3, 30) {
        #[workflow]
        async fn literals(x: u64) -> Vec<Pair> {
            let y = double(x).await;
            let mut out = vec![Pair { x, y }];
            let x = add(x, 1).await;
            out.push(Pair { x, y: 2 });
            let y = double(y).await;
            out.extend(vec![Pair { x, y }, Pair { x: y, y: x }, Pair { x: 7, ..Pair { x, y } }]);
            let Pair { x, y: z } = Pair { x: y, y: x };
            let Wrap(y, ..) = Wrap(z, x);
            out.push(Pair { x, y });
            for Pair { x, y } in out.clone() {
                if let Pair { x: 4, y } | Pair { x: y @ 5.., .. } = (Pair { x: y, y: x }) {
                    let x = add(y, 1).await;
                    out.push(Pair { x, y });
                }
            }
            match (Pair { x, y }) {
                Pair { x: LIMIT, y } => out.push(Pair { x: y, y }),
                Pair { x: x @ (1..=6 | 60), y } | Pair { x: y, y: x } if x < FIFTY => {
                    out.push(Pair { x: double(x).await, y });
                }
                Pair { x, .. } => out.push(Pair { x: double(x).await, y: 0 }),
            }
            out
        }

        const LIMIT: u64 = 12;
        static FIFTY: u64 = 50;

        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct Pair { x: u64, y: u64 }
        #[allow(dead_code)]
        struct Wrap(u64, u64);
    }
}

shape! {
    raw_names: RawNames(3) {
        #[workflow]
        async fn raw_names(r#type: u64) -> (u64, String) {
            let r#match = r#loop(r#type).await;
            let r#type = add(r#type, r#match).await;
            let text = format!("{type} {match}");
            let other = Raw { r#type, r#loop: r#match };
            let Raw { r#type, r#loop } = other;
            let sum = double(r#type).await;
            (sum + r#loop + r#type, format!("{text} {} {sum}", r#type))
        }

        struct Raw { r#type: u64, r#loop: u64 }

        #[function(on = AWS)]
        async fn r#loop(r#in: u64) -> u64 { r#in + 1 }
    }
}

shape! {
    upper_case_variables: Upper(3) {
        #[workflow]
        #[allow(non_snake_case)]
        async fn upper(N: u64) -> u64 {
            let M = double(N).await;
            let K: u64 = add(M, N).await;
            let (A, B) = (double(K).await, M);
            add(A, K + N + B).await
        }
    }
}

shape! {
    jumps_of_every_kind: Jumps(vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
        #[workflow]
        async fn jumps(list: Vec<u64>) -> Vec<Vec<u64>> {
            fan_out(list, async |n| {
                let mut log = vec![];
                let found = 'outer: loop {
                    for i in 0..n + 3 {
                        match i % 5 {
                            0 => continue,
                            1 if n == 2 => break 'outer Some(i),
                            2 => {
                                let d = double(i).await;
                                if d > 6 {
                                    continue;
                                }
                                log.push(d);
                            }
                            3 => {
                                log.push(if i > 7 { break } else { i });
                                let value = match add(i, n).await {
                                    a if a > 9 => break 'outer Some(a),
                                    a if a == 8 => break,
                                    a if a == 5 => continue,
                                    a => a,
                                };
                                log.push(value);
                            }
                            _ => {
                                let extra = loop {
                                    if n == 6 {
                                        break 'outer None;
                                    }
                                    break i + 1;
                                };
                                log.push(extra);
                            }
                        }
                        log.push(100 + i);
                    }
                    if n % 2 == 0 {
                        break if log.len() > 3 { Some(1) } else { None };
                    }
                    break Some(double(n).await);
                };
                log.extend(found);
                log
            })
            .await
        }
    }
}

shape! {
    break_with_effects: Effects(0, 1, 2, 3) {
        #[workflow]
        async fn effects(n: u64) -> Vec<u64> {
            let mut log = vec![];
            let mut i = 0;
            loop {
                let d = double(i).await;
                if d > 3 {
                    break log.push(d);
                }
                i += 1;
                if i > n {
                    break log.push(add(i, 1).await);
                }
            }
            'a: {
                if n == 1 {
                    break 'a log.push(77);
                }
                log.push(double(n).await);
            }
            let value = 'b: for i in 0..n {
                let d = double(i).await;
                let _pick = 'c: loop {
                    break 'c if d == 2 { continue 'b } else { d };
                };
                log.push(d);
            };
            let () = value;
            let unit = while log.len() < 6 {
                log.push(double(7).await);
            };
            log.push(u64::from(unit == ()));
            log
        }
    }
}

shape! {
    order_with_changes: Changed(1, 5) {
        #[workflow]
        async fn changed(x: u64) -> Vec<u64> {
            let mut out = vec![];
            let mut n = x;
            out.push(n + { n += 1; double(n).await });
            out.push({ n += 1; double(n).await } + n);
            let pair = (n, { n = add(n, 1).await; n }, n);
            out.extend([pair.0, pair.1, pair.2]);
            let mut list = vec![1, 2, 3];
            let sum = list[0] + { list[0] = 50; double(list[0]).await } + list[0];
            out.push(sum);
            let kept = keep(n, { n *= 2; add(n, 1).await }, n);
            out.push(kept);
            let mut text = "a".to_owned();
            let texts = [text, { text = double(n).await.to_string(); text.clone() }, text];
            out.push(texts.concat().len() as u64);
            list[{ n = 2; n as usize }] += double(n).await;
            list[double(0).await as usize] = add(list[1], 7).await;
            list[add(0, 1).await as usize] += 3;
            out.extend(list);
            out
        }

        fn keep(a: u64, b: u64, c: u64) -> u64 { a + 10 * b + 100 * c }
    }
}

shape! {
    places_beside_calls: Places(2) {
        #[workflow]
        async fn places(x: u64) -> String {
            let mut names = vec!["a".to_owned(), "b".to_owned()];
            let mut table = std::collections::BTreeMap::from([(1_u64, vec![5_u64])]);
            let last = names.len();
            names[last - 1].push_str(&double(x).await.to_string());
            let text = format!("{} {} {}", names[0], names[names.len() - 1], double(x).await);
            table.entry(x).or_default().push(1);
            names[1].push_str(&name(double(x).await).await[..1]);
            let both = joined(&names[0], &names.len(), double(x).await);
            let slices = joined(&names[1][..1], &1, add(x, 1).await);
            let first = first(&[names.len(), 2], double(3).await);
            let at = table[&1][0] + double(x).await;
            let pick = pick(double(x).await)(3);
            format!("{text} {both} {slices} {first} {at} {pick} {names:?} {table:?}")
        }

        fn joined(a: &str, b: &usize, c: u64) -> String { format!("{a}{b}{c}") }
        fn first(list: &[usize], n: u64) -> u64 { list[0] as u64 + n }
        fn pick(x: u64) -> fn(u64) -> u64 { if x > 3 { |n| n + 1 } else { |n| n } }

        #[function(on = ALI)]
        async fn name(x: u64) -> String { format!("n{x}") }
    }
}

shape! {
    early_ends_of_nested_branches: Ends(0, 1, 2, 3, 4, 5, 6) {
        #[workflow]
        async fn ends(x: u64) -> Result<Vec<u64>> {
            let base = double(x).await;
            let (a, b) = try_join!(
                async {
                    if x == 1 {
                        return Ok(9);
                    }
                    let h = halve(x).await?;
                    let (p, q) = join!(
                        async {
                            if h > 1 {
                                return double(h).await;
                            }
                            add(h, base).await
                        },
                        async {
                            let list = try_fan_out(0..h + 2, async |i| {
                                if i == 4 {
                                    return Err(Error::new("four"));
                                }
                                for j in 0..i {
                                    if add(j, i).await > 4 {
                                        return Ok(j);
                                    }
                                }
                                halve(i * 2).await
                            })
                            .await;
                            match list {
                                Ok(list) if list.is_empty() => 0,
                                Ok(list) => list.iter().sum::<u64>(),
                                Err(_) => return double(1000).await,
                            }
                        }
                    );
                    Ok::<_, Error>(p + q)
                },
                halve(base)
            )?;
            if a == 9 {
                return Ok(vec![a]);
            }
            Ok(vec![a, add(b, base).await])
        }
    }
}

shape! {
    question_marks_everywhere: Marks(0, 1, 2, 4, 8, 12) {
        #[workflow]
        async fn marks(x: u64) -> Result<Vec<u64>> {
            let mut out = vec![];
            if halve(x).await? > 2 {
                out.push(1);
            }
            while halve(out.len() as u64 * 2).await? < halve(x).await? {
                out.push(halve(out.len() as u64 * 4).await?);
                if out.len() > 3 { break; }
            }
            match halve(halve(x).await?).await? {
                0 => out.push(parse("0")?),
                n => out.push(n + parse(&halve(n * 2).await?.to_string())?),
            }
            for i in 0..halve(x).await? {
                out.push(i + maybe(i).await??.unwrap_or(5));
            }
            let Some(n) = maybe(x).await?? else {
                return Ok(vec![double(parse("4")?).await]);
            };
            let text = n.to_string().len() as u64 + double(parse("3")?).await;
            out.push(text);
            let more = try_fan_out(out.clone(), async |n| Ok::<u64, Error>(maybe(n).await??.ok_or(Error::new("none"))? + parse("1")?)).await;
            out.extend(more.unwrap_or_default());
            Ok(out)
        }

        fn parse(text: &str) -> Result<u64> { Ok(text.parse::<u64>()?) }

        #[function(on = AWS)]
        async fn maybe(x: u64) -> Result<Result<Option<u64>>> {
            match x { 3 => Err(Error::new("three")), 2 => Ok(Err(Error::new("two"))), 0 => Ok(Ok(None)), n => Ok(Ok(Some(n))) }
        }
    }
}

shape! {
    let_else_with_calls: LetElse(0, 1, 2, 3, 4) {
        #[workflow]
        async fn let_else(x: u64) -> u64 {
            let mut turns = 0;
            let value = loop {
                let ((Some(a), b) | (None, b @ Some(a))) = (find(x + turns).await, find(x).await) else {
                    turns += double(1).await;
                    if turns > 3 {
                        return add(turns, 1).await;
                    }
                    continue;
                };
                let Some(c) = b else { break a };
                let Ok(d): Result<u64> = halve(c).await else {
                    break add(c, 100).await;
                };
                break d + a;
            };
            value + turns
        }

        #[function(on = AWS)]
        async fn find(x: u64) -> Option<u64> { (x > 1).then_some(x) }
    }
}

shape! {
    if_as_an_operand: Operands(0, 1, 2, 3) {
        #[workflow]
        async fn operands(x: u64) -> (u64, bool, String) {
            let n = 1 + if x > 1 { double(x).await } else { x } * 2 + match x { 0 => 5, 1 => double(9).await, _ => panic_free(x) };
            let flag = (if x > 2 { double(x).await > 5 } else { false }) || x == 1;
            let text = {
                let part = if flag { name(n).await } else { "no".to_owned() };
                part + if x == 0 { "zero" } else { "more" }
            };
            let block = { let a = double(1).await; a + { let b = add(a, 1).await; b * 2 } };
            let never = match halve(2 * x).await {
                Ok(n) => n,
                Err(_) => unreachable!("even"),
            };
            (n + block + never, flag, text)
        }

        fn panic_free(x: u64) -> u64 { x }
        #[function(on = AWS)]
        async fn name(x: u64) -> String { format!("n{x}") }
    }
}

shape! {
    while_let_on_calls: Polls(0, 1, 3) {
        #[workflow]
        async fn polls(x: u64) -> (u64, Vec<u64>) {
            let mut n = x;
            let mut seen = vec![];
            while let Some(next) = step(n).await {
                seen.push(n);
                n = next;
            }
            while let (Some(m), true) = (step(n % 4).await, seen.len() < 6) && m < 3 {
                seen.push(m);
                n += 1;
            }
            (n, seen)
        }

        #[function(on = AWS)]
        async fn step(x: u64) -> Option<u64> { (x < 4).then_some(x + 1) }
    }
}

shape! {
    closures_in_glue: Closures((5, vec![3, 1, 2])) {
        #[workflow]
        async fn closures(input: (u64, Vec<u64>)) -> Vec<u64> {
            let (limit, mut list) = input;
            let x = double(limit).await;
            let mut calls = 0;
            let mut note = |x: u64| { calls += 1; x + limit };
            let x = note(x) + note(1);
            list.sort_by(|a, b| b.cmp(a));
            list.retain(|x| *x < limit);
            let text = "k".to_owned();
            let held = move |n: &u64| n + text.len() as u64;
            let mapped: Vec<u64> = list.iter().map(|x| held(x) + x).map(|list| list + 1).collect();
            let last;
            let mut biggest = 0;
            list.iter().for_each(|&n| biggest = biggest.max(n));
            let total = apply(&mapped, |list| list.iter().sum());
            last = add(total, calls).await;
            list.iter().for_each(|x| biggest = *x);
            let mut boxed: Box<dyn FnMut(u64) -> u64> = Box::new(|n| n * 2);
            let y = boxed(last) + generic::<u64>("4").unwrap_or(0);
            let z = add(y, biggest).await;
            evens(z).chain([x, last]).collect()
        }

        fn apply<T, R>(value: &T, f: impl FnOnce(&T) -> R) -> R { f(value) }
        fn generic<T: std::str::FromStr>(text: &str) -> std::result::Result<T, Box<dyn std::error::Error>>
        where T::Err: std::error::Error + 'static { Ok(text.parse::<T>()?) }
        fn evens(n: u64) -> impl Iterator<Item = u64> { (0..n).filter(|n| n % 7 == 0) }
    }
}

shape! {
    literals_without_a_type: Untyped(2) {
        #[workflow]
        async fn untyped(x: u64) -> (u64, f32, Vec<u8>, i8) {
            let one = 1;
            let half = 0.5;
            let small = 200;
            let mut bytes = Vec::new();
            let negative = -3;
            let d = double(x).await;
            let n = add(d, one).await;
            bytes.push(small);
            let f: f32 = half;
            let _ = double(0).await;
            let total = (0..n).map(|x| x + one).sum::<u64>();
            (total, f, bytes, negative)
        }
    }
}

shape! {
    coercions: Coerces(0, 1) {
        #[workflow]
        async fn coerces(x: u64) -> Box<[u64]> {
            if x == 0 {
                return Box::new([1, 2]);
            }
            let list: Box<[u64]> = if x > 5 {
                let d = double(x).await;
                Box::new([d])
            } else {
                Box::new([add(x, 1).await, 2, 3])
            };
            let parts: Vec<Box<[u64]>> = fan_out(0..2_u64, async |i| vec![double(i).await].into_boxed_slice()).await;
            Box::new([list.len() as u64, parts.len() as u64])
        }
    }
}

shape! {
    everything_nested: NestedAll(0, 1, 2, 3) {
        #[workflow]
        async fn nested_all(x: u64) -> Vec<String> {
            let mut out = vec![];
            let scale = add(x, 1).await;
            'rounds: for round in 0..3_u64 {
                match (round, x) {
                    (0, 0) => continue,
                    (1, n @ (2 | 3)) => {
                        let (maps, (label, count)) = join!(
                            async {
                                let rows = fan_out(0..n, async move |i| {
                                    let mut all = vec![];
                                    for j in 0..i + 1 {
                                        let (p, q) = join!(add(i, j), async { if j == 1 { double(scale).await } else { round } });
                                        all.push(p * q);
                                        if all.len() > 1 { break; }
                                    }
                                    all
                                })
                                .await;
                                fan_out(&rows, async |row| add(row.iter().sum(), scale).await).await
                            },
                            async {
                                let mut count = 0;
                                while double(count).await < n { count += 1; }
                                (format!("r{round}"), count)
                            },
                        );
                        out.push(format!("{maps:?} {label} {count}"));
                        if n == 3 { break 'rounds; }
                    }
                    (r, n) => out.push(format!("{}", add(r, n).await + scale)),
                }
            }
            out
        }
    }
}

shape! {
    items_in_blocks: Inner(1, 2) {
        #[workflow]
        async fn inner(x: u64) -> u64 {
            let a = {
                const N: u64 = 3;
                fn helper(x: u64) -> u64 { x + N }
                helper(double(x).await)
            };
            let b = if x > 1 {
                fn other(x: u64) -> u64 { x * 4 }
                other(add(x, 1).await)
            } else {
                const N: u64 = 7;
                N
            };
            a + b
        }
    }
}

shape! {
    /// What the user calls like ours must stay the user's.
    names_like_ours: Ours(4) {
        #[workflow]
        async fn ours(x: u64) -> u64 {
            let machine = private::value(glue(x));
            let step = Machine { state: double(machine).await };
            travel(step.state) + DEFINITION + CODE + add(step.state, index(1)).await
        }

        mod private { pub(super) fn value(x: u64) -> u64 { x + 1 } }
        fn glue(x: u64) -> u64 { x + 2 }
        fn travel(x: u64) -> u64 { x + 3 }
        fn index(x: u64) -> u64 { x }
        struct Machine { state: u64 }
        const DEFINITION: u64 = 5;
        static CODE: u64 = 6;
    }
}
