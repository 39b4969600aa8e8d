//! What the hash of a definition covers: pairs of sources, and whether they are one definition.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;

use crate::{diagnostics::Diagnostics, expand, lower, parse, plain, resolve, validate};

/// The text that the hash is taken of.
fn hash_text(input: &str) -> String {
    let tokens: TokenStream = input.parse().unwrap_or_else(|error| panic!("{error}: {input}"));
    let mut diagnostics = Diagnostics::new();
    let mut source = parse::parse(tokens, &mut diagnostics);
    plain::call_batches_with_one(&mut source);
    validate::validate(&source, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{:?}", diagnostics.into_errors());
    let model = resolve::resolve(&source).unwrap_or_else(|| panic!("the body cannot be parsed: {input}"));
    let lowered = lower::lower(&model, &mut diagnostics);
    match lowered {
        Some(lowered) => expand::hash_text(&model, &lowered),
        None => panic!("{:?}", diagnostics.into_errors()),
    }
}

const BASE: &str = r#"
    const AWS: Cloud = Cloud::aws("ap-northeast-1");
    const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

    /// Doubles in many ways.
    #[workflow(home = AWS, max_turns = 7, max_branches = 9, max_calls = 50, version = "1")]
    pub async fn run(x: u32, mut list: Vec<u32>) -> Result<(u32,)> {
        let (a, b) = join!(double(x), async { triple(x).await });
        list.push(a);
        let all = fan_out(list, async |y| double(y).await).await;
        let mut i = 0;
        while i < 3 {
            i = match double(i).await {
                0 => 1,
                n if n > 2 && b == &n => n,
                _ => i + 1,
            };
        }
        let t = (i,);
        println!("{t:?}");
        if all.is_empty() { return Ok(t); }
        Ok((gathered(b).await,))
    }

    #[function(on = AWS, memory = 1024, timeout = "1m", cpu = 0.5, retry(attempts = 3, backoff = "1s", jitter = 5))]
    async fn double(x: u32) -> u32 { x + x }

    #[function(on = ALI, failover = [AWS], dedupe = before)]
    async fn triple(x: u32) -> u32 { 3 * x }

    #[function(on = ALI, batch(size = 8, wait = "2s"))]
    async fn gathered(x: Vec<u32>) -> Vec<u32> { x }
"#;

#[track_caller]
fn changed(from: &str, to: &str) -> String {
    assert_eq!(BASE.matches(from).count(), 1, "`{from}` is there once");
    BASE.replace(from, to)
}

/// What makes another definition.
const DIFFERENT: &[(&str, &str)] = &[
    ("home = AWS", "home = ALI"),
    ("max_turns = 7", "max_turns = 8"),
    ("max_branches = 9", "max_branches = 10"),
    ("max_calls = 50", "max_calls = 51"),
    (", max_calls = 50", ""),
    ("version = \"1\"", "version = \"2\""),
    (", version = \"1\"", ""),
    ("on = AWS, memory", "on = ALI, memory"),
    ("size = 8", "size = 9"),
    ("wait = \"2s\"", "wait = \"3s\""),
    (
        ", batch(size = 8, wait = \"2s\"))]\n    async fn gathered(x: Vec<u32>) -> Vec<u32>",
        ")]\n    async fn gathered(x: u32) -> u32",
    ),
    ("Cloud::aws(\"ap-northeast-1\")", "Cloud::aws(\"us-east-1\")"),
    ("Cloud::aliyun(\"ap-northeast-1\")", "Cloud::aws(\"ap-northeast-1\")"),
    ("async fn triple(x: u32) -> u32", "async fn triple(x: u64) -> u32"),
    ("async fn triple(x: u32) -> u32", "async fn triple(x: u32) -> u64"),
    ("list.push(a)", "list.push(a + 1)"),
    ("while i < 3", "while i <= 3"),
    ("let t = (i,);", "let t = (i);"),
    ("b == &n", "b == & &n"),
    ("println!(\"{t:?}\");", "println!(\"{t:#?}\");"),
    ("0 => 1,", "0 => { 1; 1 }"),
    ("{ return Ok(t); }", "{ return Ok((0,)); }"),
    ("async { triple(x).await }", "triple(x)"),
];

#[test]
fn the_hash_follows_what_names_homes_and_encodings_follow_from() {
    let base = hash_text(BASE);
    for (from, to) in DIFFERENT {
        assert_ne!(base, hash_text(&changed(from, to)), "`{from}` → `{to}`");
    }
    let other = BASE.replace("ALI", "OSS");
    assert_ne!(base, hash_text(&other), "a cloud's name");
    let order = BASE.replace(
        "(a, b) = join!(double(x), async { triple(x).await })",
        "(b, a) = join!(async { triple(x).await }, double(x))",
    );
    assert_ne!(base, hash_text(&order), "the order of branches");
}

/// The lines that a change of the source alone changes: each is a part of the hash.
const PARTS: [&str; 7] = ["cloud", "home", "bounds", "version", "workflow", "function", "batch"];
/// Those that follow from the source, as this version of the macro lowers it.
const LOWERED: [&str; 4] = ["node", "first", "vars", "reads"];

/// The first words of the lines of a text.
fn parts(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.split_whitespace().next()).collect()
}

/// What the hash would be taken of that leaves a part out.
fn without(part: &str, text: &str) -> String {
    let is_kept = |line: &&str| line.split_whitespace().next() != Some(part);
    text.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_hash_that_leaves_a_part_out_is_noticed() {
    let base = hash_text(BASE);
    assert_eq!(parts(&base), PARTS.into_iter().chain(LOWERED).collect());
    let others: Vec<_> = DIFFERENT.iter().map(|(from, to)| hash_text(&changed(from, to))).collect();
    for part in PARTS {
        let is_missed = |other: &String| base != *other && without(part, &base) == without(part, other);
        assert!(others.iter().any(is_missed), "nothing tells of `{part}` alone");
    }
}

#[test]
fn the_hash_does_not_follow_what_may_change_under_runs() {
    let base = hash_text(BASE);
    for (from, to) in [
        ("{ x + x }", "{ 2 * x }"),
        ("{ 3 * x }", "{ let y = x. }"),
        ("Doubles in many ways", "Doubles"),
        ("memory = 1024", "memory = 2048"),
        ("timeout = \"1m\"", "timeout = \"90s\""),
        ("timeout = \"1m\"", "timeout = \"60s\""),
        ("cpu = 0.5", "cpu = 0.25"),
        ("attempts = 3", "attempts = 4"),
        ("backoff = \"1s\"", "backoff = \"2s\""),
        ("jitter = 5", "jitter = 6"),
        (", retry(attempts = 3, backoff = \"1s\", jitter = 5)", ""),
        ("failover = [AWS]", "gpu = 8"),
        (", failover = [AWS]", ""),
        (", dedupe = before", ""),
        ("pub async fn run", "pub(crate) async fn run"),
    ] {
        assert_eq!(base, hash_text(&changed(from, to)), "`{from}` → `{to}`");
    }
    let defaults = changed("home = AWS, ", "");
    assert_eq!(base, hash_text(&defaults), "the first cloud is the home by default");
}

/// What is the same, written in another way.
const REFORMATTED: &[(&str, &str)] = &[
    ("double(x), async", "double(x,), async"),
    ("async { triple(x).await });", "async { triple(x).await },);"),
    ("join!(double(x), async { triple(x).await })", "join![double(x), async { triple(x).await }]"),
    ("let (a, b) =", "let (a, b,) ="),
    ("Vec<u32>) -> Result<(u32,)>", "Vec<u32,>,) -> Result<( u32 , ),>"),
    ("Vec<u32>) -> Result<(u32,)>", "Vec::<u32>) -> Result::<(u32,)>"),
    ("list.push(a);", "list.push(a,);;"),
    ("list.push(a);", "list\n  .push(  a  ); // pushes\n  /* all */"),
    ("async |y| double(y).await).await", "async |y| { double(y).await }).await"),
    ("async |y| double(y).await).await", "async |y,| {\n double(y,).await\n},).await"),
    ("0 => 1,", "0 => { 1 }"),
    ("0 => 1,", "| 0 => { 1 },"),
    ("_ => i + 1,", "_ => i + 1"),
    ("n > 2 && b == &n", "n>2&&b==&n"),
    ("let t = (i,);", "/// A tuple.\n let t = (i,);"),
    ("let t = (i,);", "#[allow(unused)]\n let t = (i,);"),
    ("println!(\"{t:?}\");", "println!(\"{t:?}\",);"),
    ("{ return Ok(t); }", "{ return Ok(t) }"),
    ("            };\n        }\n", "            };\n        };\n"),
    ("async fn double(x: u32) -> u32", "async fn double(\n        x: u32,\n    ) -> u32"),
];

#[test]
fn the_hash_does_not_follow_formatting() {
    let base = hash_text(BASE);
    for (from, to) in REFORMATTED {
        assert_eq!(base, hash_text(&changed(from, to)), "`{from}` → `{to}`");
    }
}

#[test]
fn a_hash_that_follows_trailing_commas_is_noticed() {
    let tokens = |source: &str| source.parse::<TokenStream>().unwrap().to_string();
    let has_comma = |to: &str| [",)", ",]", ",}", ",>", ",|"].iter().any(|end| to.contains(end));
    let commas: Vec<_> = REFORMATTED.iter().filter(|(_, to)| has_comma(to)).collect();
    assert!(commas.len() > 5, "{commas:?}");
    for (from, to) in commas {
        let other = changed(from, to);
        // As they are written they are two, and as the hash has them one.
        assert_ne!(tokens(BASE), tokens(&other), "`{from}` → `{to}`");
        assert_eq!(hash_text(BASE), hash_text(&other), "`{from}` → `{to}`");
    }
}

/// A workflow of one call, with this before it.
fn with(statements: &str) -> String {
    hash_text(&format!(
        "const AWS: Cloud = Cloud::aws(\"r\");
        #[workflow] async fn run(x: u32) -> u32 {{ {statements} ; step(x).await }}
        #[function] async fn step(x: u32) -> u32 {{ x }}"
    ))
}

#[test]
fn formatting_and_meaning_are_told_apart_in_the_small() {
    for (one, other, same) in [
        ("let a = [1, 2]", "let a = [1, 2,]", true),
        ("let a = [[1], [2]]", "let a = [[1,], [2,],]", true),
        ("let a = vec![x; 2]", "let a = vec!(x;2)", true),
        ("let a = vec![x, 2]", "let a = vec![x, 2,]", true),
        ("let a = vec![(x,), (2,)]", "let a = vec![(x), (2)]", false),
        ("let a = S { a: 1, b }", "let a = S { a: 1, b, }", true),
        ("let a = S { a: 1, ..b }", "let a = S { a: 1, .. b }", true),
        ("let S { a, b } = s", "let S { a, b, } = s", true),
        ("let S(a, b) = s", "let S(a, b,) = s", true),
        ("let (a,) = s", "let (a) = s", false),
        ("let (a, ..) = s", "let (a, ..,) = s", true),
        ("let [a, b] = s", "let [a, b,] = s", true),
        ("let a: (u8,) = s", "let a: (u8) = s", false),
        ("let a: (u8, u8) = s", "let a: (u8, u8,) = s", true),
        ("let a: Box<dyn Fn(u8) -> u8> = s", "let a: Box<dyn Fn(u8,) -> u8,> = s", true),
        ("let a: fn(u8) = s", "let a: fn(u8,) = s", true),
        ("let a = s.collect::<Vec<_>>()", "let a = s.collect::<Vec<_,>,>()", true),
        ("let a = f::<u8, u8>(s)", "let a = (f::<u8, u8>)(s)", false),
        ("let a = |y| y + 1", "let a = |y| { y + 1 }", true),
        ("let a = |y| -> u8 { y + 1 }", "let a = |y| { y + 1 }", false),
        ("let a = |y| { y + 1; }", "let a = |y| { y + 1 }", false),
        ("let a = |y| unsafe { y }", "let a = |y| { y }", false),
        ("let a = match x { 1 => { x } _ => 2 }", "let a = match x { 1 => x, _ => 2, }", true),
        ("let a = match x { 1 => { 'a: { x } } _ => 2 }", "let a = match x { 1 => x, _ => 2, }", false),
        ("let a = match x { 1 | 2 => x, _ => 2 }", "let a = match x { | 1 | 2 => x, _ => 2 }", true),
        ("struct S { a: u8 } enum E { A(u8), B }", "struct S { a: u8, } enum E { A(u8,), B, }", true),
        ("struct S(u8,);", "struct S(u8);", true),
        ("fn f() -> () {}", "fn f() {}", true),
        ("for i in 0..3 { f(i) }", "for i in 0 .. 3 { f(i) };", true),
        ("for i in 0..3 { f(i) }", "for i in 0..=3 { f(i) }", false),
        ("let a = loop { break 1 };", "let a = loop { break 1; };", true),
        ("let a = { loop { break 1 } };", "let a = { loop { break 1 }; };", false),
        ("let a = \"x y\"", "let a = \"x  y\"", false),
        ("let a = \"x y\"", "let a = r\"x y\"", false),
        ("let a = x - -1", "let a = x--1", true),
        ("let a = mine!(1, 2)", "let a = mine!(1, 2,)", false),
        ("let a = mine!(f(1))", "let a = mine!(f(1,))", true),
        ("let a = mine!(a => b)", "let a = mine!(a=>b)", true),
        ("let a = mine!(a = > b)", "let a = mine!(a=>b)", false),
        ("assert_eq!(1, 2)", "assert_eq!(1, 2,)", true),
        ("assert!(matches!(x, 1 | 2))", "assert!(matches!(x, 1 | 2,))", true),
        ("let a = ((x))", "let a = (((x)))", true),
        ("let a = x", "let a = (x)", false),
        ("println! { \"a\" }", "println!(\"a\")", true),
        ("let r#a = 1", "let a = 1", false),
        ("let a = &&x", "let a = & &x", true),
        ("let a = x && y", "let a = x & &y", false),
    ] {
        assert_eq!(with(one) == with(other), same, "`{one}`, `{other}`");
    }
}
