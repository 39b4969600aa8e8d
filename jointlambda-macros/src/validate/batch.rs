//! Rules for `batch(…)`: what a function that is called with one value and runs on many must be.

use syn::{FnArg, ReturnType};

use super::placement::sites;
use crate::{
    attr::{BatchArgs, FunctionArgs},
    diagnostics::Diagnostics,
    resolve::{DEFAULT_TIMEOUT_MS, element_of_vec},
    source::{FnItem, Source},
};

/// The most members of a batch: a batch is one row of the table, and each member a slot of it.
const MAX_SIZE: u32 = 128;
/// The longest wait: for so long an instance of the function may be kept, and billed.
const MAX_WAIT_MS: u64 = 60_000;

pub(super) fn validate(source: &Source, diagnostics: &mut Diagnostics) {
    for (item, args) in source.functions() {
        let Some(batch) = &args.batch else { continue };
        size(batch, diagnostics);
        wait(batch, diagnostics);
        room_for_the_wait(args, batch, source, diagnostics);
        no_retry(args, diagnostics);
        no_dedupe(args, diagnostics);
        takes_a_vec(item, batch, diagnostics);
        returns_a_vec(item, diagnostics);
    }
}

fn size(batch: &BatchArgs, diagnostics: &mut Diagnostics) {
    if let Some(size) = batch.size.filter(|size| !(2..=MAX_SIZE).contains(&size.value)) {
        diagnostics.error(
            size.span,
            format!("a batch has 2 to {MAX_SIZE} members\nhelp: write `size = 2` to `size = {MAX_SIZE}`"),
        );
    }
}

fn wait(batch: &BatchArgs, diagnostics: &mut Diagnostics) {
    if let Some(wait) = batch.wait_ms.filter(|wait| !(1..=MAX_WAIT_MS).contains(&wait.value)) {
        let longest_s = MAX_WAIT_MS / 1000;
        diagnostics.error(
            wait.span,
            format!(
                "a batch gathers for 1 ms to {longest_s} s\nhelp: write `wait = \"1ms\"` to `wait = \"{longest_s}s\"`"
            ),
        );
    }
}

/// While a batch gathers, an instance of the function waits with it.
fn room_for_the_wait(args: &FunctionArgs, batch: &BatchArgs, source: &Source, diagnostics: &mut Diagnostics) {
    let Some(wait) = batch.wait_ms.filter(|wait| wait.value <= MAX_WAIT_MS) else { return };
    let timeout_ms = args.timeout_ms.map_or(DEFAULT_TIMEOUT_MS, |timeout| timeout.value);
    for site in sites(args, source) {
        let longest_ms = site.limits.timeout_s * 1000;
        // A timeout that is too long by itself is reported there.
        if timeout_ms <= longest_ms && timeout_ms + wait.value > longest_ms {
            diagnostics.error(
                wait.span,
                format!(
                    "{} ends a function after {} s, and the wait of a batch comes before its timeout\n\
                     help: write at most `timeout = \"{}s\"` with this wait",
                    site.place(),
                    site.limits.timeout_s,
                    (longest_ms - wait.value) / 1000
                ),
            );
        }
    }
}

fn no_retry(args: &FunctionArgs, diagnostics: &mut Diagnostics) {
    if let Some(word) = &args.retry.word {
        diagnostics.error(
            word,
            "a batch is not tried again as a whole: an `Err` is the outcome of one member\n\
             help: remove `retry`, and try the member again inside the function, or in the workflow with a loop",
        );
    }
}

fn no_dedupe(args: &FunctionArgs, diagnostics: &mut Diagnostics) {
    if let Some(dedupe) = args.dedupe_before {
        diagnostics.error(
            dedupe.span,
            "a batch always looks first which of its members are done\nhelp: remove `dedupe`",
        );
    }
}

fn takes_a_vec(item: &FnItem, batch: &BatchArgs, diagnostics: &mut Diagnostics) {
    let rule = format!(
        "a function with `batch` has one parameter, a `Vec` of what its calls give it\n\
         help: write `async fn {}(items: Vec<T>) -> Vec<U>`, and call it with one `T`",
        item.sig.ident
    );
    let mut params = item.sig.inputs.iter();
    match (params.next(), params.next()) {
        (Some(FnArg::Typed(param)), None) if element_of_vec(&param.ty).is_none() => {
            diagnostics.error_instead_of_rustc(&param.ty, rule);
        }
        // `self` has a message of its own.
        (Some(_), None) => {}
        (None, _) => diagnostics.error_instead_of_rustc(&batch.word, rule),
        (Some(_), Some(_)) => diagnostics.error_instead_of_rustc(&item.sig.inputs, rule),
    }
}

fn returns_a_vec(item: &FnItem, diagnostics: &mut Diagnostics) {
    let rule = format!(
        "a function with `batch` returns a `Vec` with one value for each that it was given\n\
         help: write `async fn {}(items: Vec<T>) -> Vec<U>`; where a member can fail, `U` is a `Result`",
        item.sig.ident
    );
    match &item.sig.output {
        ReturnType::Type(_, ty) if element_of_vec(ty).is_some() => {}
        ReturnType::Type(_, ty) => diagnostics.error_instead_of_rustc(ty, rule),
        ReturnType::Default => diagnostics.error_instead_of_rustc(&item.sig.ident, rule),
    }
}
