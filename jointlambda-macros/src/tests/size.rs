//! A workflow of 100 functions and 300 calls expands, and in what time is printed:
//! `cargo test --release -p jointlambda-macros expansion_time -- --nocapture`.

use std::{fmt::Write, time::Instant};

use proc_macro2::TokenStream;

use super::errors;
use crate::{Form, expand_block};

/// The same shapes as in `bench/src/bin/compile-time.rs`, 15 calls each.
fn workflow(functions: usize, calls: usize) -> String {
    let (mut text, mut call) = (String::from("const AWS: Cloud = Cloud::aws(\"r\");\n"), 0);
    for i in 0..functions {
        _ = writeln!(
            text,
            "#[function] async fn f{i}(item: Item) -> Result<Item> {{ Ok(Item {{ n: item.n + {i}, ..item }}) }}"
        );
    }
    text += "#[workflow] pub async fn run(x: Item) -> Result<Item> {\n";
    while call < calls {
        let f: [String; 15] = std::array::from_fn(|i| format!("f{}", (call + i) % functions));
        let [a, b, c, d, e, g, h, i, j, k, l, m, n, o, p] = f;
        _ = writeln!(
            text,
            "let x = {a}(x).await?; let x = {b}(x).await?; let x = {c}(x).await?;
            let list = try_fan_out(0..x.n % 4, async |i| {{
                let y = {d}(Item {{ n: i, text: x.text.clone() }}).await?;
                let y = {e}(y).await?;
                {g}(y).await
            }}).await?;
            let x = Item {{ n: list.iter().map(|y| y.n).sum(), text: x.text }};
            let x = if x.n > 10 {{ {h}(x).await? }} else if x.n > 5 {{ {i}(x).await? }} else {{
                let y = {j}(x).await?;
                Item {{ n: y.n + 1, ..y }}
            }};
            let mut x = x;
            for round in 0..3 {{
                let y = {k}(x.clone()).await?;
                if y.n > 1000 {{ break; }}
                x = match {l}(y).await {{
                    Ok(y) => y,
                    Err(error) => {m}(Item {{ n: round, text: error.to_string() }}).await?,
                }};
            }}
            let (p, q, r) = try_join!({n}(x.clone()), {o}(x.clone()), async {{ let y = {p}(x).await?; Ok(y) }})?;
            let x = Item {{ n: p.n + q.n, text: format!(\"{{}}{{}}\", q.text, r.text) }};"
        );
        call += 15;
    }
    text + "Ok(x)\n}"
}

#[test]
fn expansion_time() {
    let text = workflow(100, 300);
    for _ in 0..std::env::var("N").map_or(5, |n| n.parse().unwrap()) {
        let input: TokenStream = text.parse().unwrap();
        let begin = Instant::now();
        let output = expand_block(input, Form::Items);
        println!("expanded in {:.1?}", begin.elapsed());
        assert_eq!(errors(&output.to_string()), 0);
    }
}
