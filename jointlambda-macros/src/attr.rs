//! The keys of `#[function(…)]` and `#[workflow(…)]` → values with their spans.
//!
//! Each key is read by itself, so that one mistake hides no other. Must not judge the values: what
//! a provider offers is in `validate`.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::ToTokens;

use crate::{
    diagnostics::Diagnostics,
    suggest,
    value::{self, Given},
};

/// The keys of a `#[function]`.
#[derive(Debug, Default)]
pub(crate) struct FunctionArgs {
    pub(crate) on: CloudName,
    pub(crate) failover: Vec<Ident>,
    pub(crate) memory_mb: Option<Given<u32>>,
    pub(crate) timeout_ms: Option<Given<u64>>,
    pub(crate) cpu_milli: Option<Given<u32>>,
    pub(crate) gpu_gb: Option<Given<u32>>,
    pub(crate) retry: RetryArgs,
    pub(crate) dedupe_before: Option<Given<()>>,
    pub(crate) batch: Option<BatchArgs>,
}

/// The keys of `retry(…)`.
#[derive(Debug, Default)]
pub(crate) struct RetryArgs {
    /// The word `retry`, when it is given.
    pub(crate) word: Option<Ident>,
    pub(crate) attempts: Option<Given<u32>>,
    pub(crate) backoff_ms: Option<Given<u64>>,
    pub(crate) jitter_percent: Option<Given<u32>>,
}

/// The keys of `batch(…)`.
#[derive(Debug)]
pub(crate) struct BatchArgs {
    /// The word `batch`.
    pub(crate) word: Ident,
    pub(crate) size: Option<Given<u32>>,
    pub(crate) wait_ms: Option<Given<u64>>,
}

/// The keys of a `#[workflow]`.
#[derive(Debug, Default)]
pub(crate) struct WorkflowArgs {
    pub(crate) home: CloudName,
    pub(crate) max_turns: Option<Given<u32>>,
    pub(crate) max_branches: Option<Given<u32>>,
    pub(crate) max_calls: Option<Given<u64>>,
    pub(crate) version: Option<Given<String>>,
}

/// A cloud that a key may name.
#[derive(Debug, Default)]
pub(crate) enum CloudName {
    #[default]
    Absent,
    /// Given, but not as a name; that is reported already.
    Wrong,
    Named(Ident),
}

/// A key and how it is written.
struct Key {
    name: &'static str,
    example: &'static str,
}

const fn key(name: &'static str, example: &'static str) -> Key {
    Key { name, example }
}

const FUNCTION: &[Key] = &[
    key("on", "on = AWS"),
    key("failover", "failover = [ALI]"),
    key("memory", "memory = 2048"),
    key("timeout", "timeout = \"120s\""),
    key("cpu", "cpu = 0.5"),
    key("gpu", "gpu = 8"),
    key("retry", "retry(attempts = 3)"),
    key("dedupe", "dedupe = before"),
    key("batch", BATCH_EXAMPLE),
];

const RETRY: &[Key] =
    &[key("attempts", "attempts = 3"), key("backoff", "backoff = \"200ms\""), key("jitter", "jitter = 20")];

const BATCH: &[Key] = &[key("size", "size = 32"), key("wait", "wait = \"2s\"")];
const BATCH_EXAMPLE: &str = "batch(size = 32, wait = \"2s\")";

const WORKFLOW: &[Key] = &[
    key("home", "home = AWS"),
    key("max_turns", "max_turns = 1000"),
    key("max_branches", "max_branches = 1000"),
    key("max_calls", "max_calls = 1000000"),
    key("version", "version = \"2\""),
];

pub(crate) fn function(args: TokenStream, diagnostics: &mut Diagnostics) -> FunctionArgs {
    let mut function = FunctionArgs::default();
    for entry in entries(args, "#[function]", FUNCTION, diagnostics) {
        match entry.key.name {
            "on" => function.on = entry.cloud(diagnostics),
            "failover" => function.failover = entry.clouds(diagnostics),
            "memory" => function.memory_mb = entry.value("a whole number of MB", value::whole, diagnostics),
            "timeout" => function.timeout_ms = entry.value(value::DURATION, value::duration, diagnostics),
            "cpu" => {
                let expected = "a number of vCPUs with at most three decimals";
                function.cpu_milli = entry.value(expected, value::thousandths, diagnostics);
            }
            "gpu" => function.gpu_gb = entry.value("a whole number of GB", value::whole, diagnostics),
            "retry" => function.retry = retry(&entry, diagnostics),
            "dedupe" => function.dedupe_before = entry.value("`before`", value::before, diagnostics),
            _ => function.batch = Some(batch(&entry, diagnostics)),
        }
    }
    function
}

pub(crate) fn workflow(args: TokenStream, diagnostics: &mut Diagnostics) -> WorkflowArgs {
    let mut workflow = WorkflowArgs::default();
    for entry in entries(args, "#[workflow]", WORKFLOW, diagnostics) {
        match entry.key.name {
            "home" => workflow.home = entry.cloud(diagnostics),
            "max_turns" => workflow.max_turns = entry.value("a whole number", value::whole, diagnostics),
            "max_branches" => {
                workflow.max_branches = entry.value("a whole number", value::whole, diagnostics);
            }
            "max_calls" => workflow.max_calls = entry.value("a whole number", value::whole, diagnostics),
            _ => workflow.version = entry.value("a text", value::text, diagnostics),
        }
    }
    workflow
}

fn retry(entry: &Entry, diagnostics: &mut Diagnostics) -> RetryArgs {
    let mut retry = RetryArgs { word: Some(entry.word.clone()), ..RetryArgs::default() };
    let Shape::List(list) = &entry.shape else {
        entry.wrong(
            "its keys in parentheses",
            "retry(attempts = 3, backoff = \"200ms\", jitter = 20)",
            diagnostics,
        );
        return retry;
    };
    let entries = entries(list.stream(), "retry", RETRY, diagnostics);
    if !entries.iter().any(|entry| entry.key.name == "attempts") {
        diagnostics.error(
            &entry.word,
            "`retry` without `attempts` tries nothing again\nhelp: write `retry(attempts = 3)`",
        );
    }
    for entry in entries {
        match entry.key.name {
            "attempts" => retry.attempts = entry.value("a whole number", value::whole, diagnostics),
            "backoff" => retry.backoff_ms = entry.value(value::DURATION, value::duration, diagnostics),
            _ => retry.jitter_percent = entry.value("a whole number of percent", value::whole, diagnostics),
        }
    }
    retry
}

fn batch(entry: &Entry, diagnostics: &mut Diagnostics) -> BatchArgs {
    let mut batch = BatchArgs { word: entry.word.clone(), size: None, wait_ms: None };
    let Shape::List(list) = &entry.shape else {
        entry.wrong("its keys in parentheses", BATCH_EXAMPLE, diagnostics);
        return batch;
    };
    let entries = entries(list.stream(), "batch", BATCH, diagnostics);
    let missing = |name| !entries.iter().any(|entry| entry.key.name == name);
    let what = match (missing("size"), missing("wait")) {
        (true, true) => "`size` and `wait` say when it is complete",
        (true, false) => "`size` says how many make it full",
        (false, true) => "`wait` says how long one that is not full gathers",
        (false, false) => "",
    };
    if !what.is_empty() {
        diagnostics
            .error(&entry.word, format!("`batch` has no default: {what}\nhelp: write `{BATCH_EXAMPLE}`"));
    }
    for entry in entries {
        match entry.key.name {
            "size" => batch.size = entry.value("a whole number", value::whole, diagnostics),
            _ => batch.wait_ms = entry.value(value::DURATION, value::duration, diagnostics),
        }
    }
    batch
}

/// One `key`, `key = value` or `key(list)` of a known key.
struct Entry {
    key: &'static Key,
    word: Ident,
    shape: Shape,
}

enum Shape {
    Bare,
    /// What follows the `=`, at least one token.
    Value(TokenStream),
    List(Group),
}

/// The entries between the commas; unknown and repeated keys are reported and left out.
fn entries(
    args: TokenStream,
    owner: &str,
    keys: &'static [Key],
    diagnostics: &mut Diagnostics,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for tokens in value::between_commas(args) {
        let (word, after) = match tokens.split_first() {
            Some((TokenTree::Ident(word), after)) => (word.clone(), after),
            _ => {
                let at: TokenStream = tokens.iter().cloned().collect();
                let options = suggest::all_of(keys.iter().map(|key| key.name));
                diagnostics
                    .error(&at, format!("`{owner}` takes `key = value`\nhelp: the keys are {options}"));
                continue;
            }
        };
        let Some(key) = known(&word, owner, keys, diagnostics) else { continue };
        if entries.iter().any(|entry| entry.key.name == key.name) {
            diagnostics.error(&word, format!("`{word}` is given twice\nhelp: keep one of the two"));
            continue;
        }
        let shape = match after {
            [] => Shape::Bare,
            [TokenTree::Group(list)] if list.delimiter() == Delimiter::Parenthesis => {
                Shape::List(list.clone())
            }
            [TokenTree::Punct(eq), value @ ..] if eq.as_char() == '=' => match value {
                [] => Shape::Bare,
                value => Shape::Value(value.iter().cloned().collect()),
            },
            after => {
                let after: TokenStream = after.iter().cloned().collect();
                let rule = format!("`=` is missing after `{word}`\nhelp: write `{}`", key.example);
                diagnostics.error(&after, rule);
                continue;
            }
        };
        entries.push(Entry { key, word, shape });
    }
    entries
}

fn known(
    word: &Ident,
    owner: &str,
    keys: &'static [Key],
    diagnostics: &mut Diagnostics,
) -> Option<&'static Key> {
    let found = keys.iter().find(|key| word == key.name);
    if found.is_none() {
        let names = || keys.iter().map(|key| key.name);
        let guess = suggest::did_you_mean(&word.to_string(), names());
        let options = suggest::all_of(names());
        diagnostics
            .error(word, format!("unknown key `{word}` of `{owner}`\nhelp: {guess}the keys are {options}"));
    }
    found
}

impl Entry {
    /// Reads `key = value`, or reports what it should look like.
    fn value<T>(
        &self,
        expected: &str,
        read: impl Fn(&TokenTree) -> Option<T>,
        diagnostics: &mut Diagnostics,
    ) -> Option<Given<T>> {
        if let Shape::Value(tokens) = &self.shape
            && let [token] = tokens.clone().into_iter().collect::<Vec<_>>().as_slice()
            && let Some(value) = read(token)
        {
            return Some(Given { value, span: token.span() });
        }
        self.wrong(expected, self.key.example, diagnostics);
        None
    }

    /// Reads `key = CLOUD`.
    fn cloud(&self, diagnostics: &mut Diagnostics) -> CloudName {
        match self.value("the name of a cloud", value::name, diagnostics) {
            Some(name) => CloudName::Named(name.value),
            None => CloudName::Wrong,
        }
    }

    /// Reads `key = [CLOUD, …]`.
    fn clouds(&self, diagnostics: &mut Diagnostics) -> Vec<Ident> {
        let expected = "a list of names of clouds";
        let list = self.value(expected, value::list, diagnostics);
        let Some(list) = list else { return Vec::new() };
        let mut names = Vec::new();
        for tokens in value::between_commas(list.value) {
            match tokens.as_slice() {
                [TokenTree::Ident(name)] => names.push(name.clone()),
                wrong => {
                    let wrong: TokenStream = wrong.iter().cloned().collect();
                    let rule =
                        format!("`{}` takes {expected}\nhelp: write `{}`", self.word, self.key.example);
                    diagnostics.error(&wrong, rule);
                }
            }
        }
        names
    }

    /// Reports a missing value, or one of the wrong kind.
    fn wrong(&self, expected: &str, example: &str, diagnostics: &mut Diagnostics) {
        let key = &self.word;
        match &self.shape {
            Shape::Bare => diagnostics
                .error(key, format!("`{key}` has no value: it takes {expected}\nhelp: write `{example}`")),
            Shape::Value(value) => {
                diagnostics.error(value, format!("`{key}` takes {expected}\nhelp: write `{example}`"));
            }
            Shape::List(list) => {
                let list = list.to_token_stream();
                diagnostics.error(&list, format!("`{key}` takes {expected}\nhelp: write `{example}`"));
            }
        }
    }
}

impl CloudName {
    pub(crate) fn ident(&self) -> Option<&Ident> {
        match self {
            CloudName::Named(ident) => Some(ident),
            CloudName::Absent | CloudName::Wrong => None,
        }
    }
}
