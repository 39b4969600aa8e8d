//! The rules that only the macro knows: one function per rule, each reporting all its breaches.
//!
//! What rustc says better is left to rustc. Must not change or resolve anything: `resolve` does,
//! once there is nothing to report.

use std::collections::HashSet;

use proc_macro2::{Ident, Span};

use crate::{
    diagnostics::Diagnostics,
    source::{BrokenKind, Source, camel_case},
    suggest,
    value::Given,
};

mod batch;
mod placement;
mod signature;

/// The longest `version`, in bytes.
const LONGEST_VERSION: usize = 64;

/// Checks the whole source.
pub(crate) fn validate(source: &Source, diagnostics: &mut Diagnostics) {
    one_workflow(source, diagnostics);
    distinct_clouds(source, diagnostics);
    distinct_functions(source, diagnostics);
    free_type_name(source, diagnostics);
    unconditional(source, diagnostics);
    regions(source, diagnostics);
    if a_cloud(source, diagnostics) {
        home(source, diagnostics);
        placement::validate(source, diagnostics);
        batch::validate(source, diagnostics);
    }
    bounds(source, diagnostics);
    version(source, diagnostics);
    for item in source.fns() {
        signature::validate(item, diagnostics);
    }
}

fn one_workflow(source: &Source, diagnostics: &mut Diagnostics) {
    let mut workflows = source.workflows().map(|(item, _)| item);
    match workflows.next() {
        Some(first) => {
            for further in workflows {
                diagnostics.error(
                    &further.marker,
                    format!(
                        "more than one `#[workflow]`: `{}` is one already\nhelp: give each workflow a `workflow!` of its own",
                        first.sig.ident
                    ),
                );
            }
        }
        None if source.broken(BrokenKind::Workflow).next().is_none() => {
            let rule = "no `#[workflow]` function\nhelp: write `#[workflow]` above the one `async fn` that calls the functions";
            match source.others().find_map(|other| other.async_fn.as_ref()) {
                Some(candidate) => diagnostics.error(candidate, rule),
                None => diagnostics.error(Span::call_site(), rule),
            }
        }
        None => {}
    }
}

fn distinct_clouds(source: &Source, diagnostics: &mut Diagnostics) {
    for (name, _) in repeated(source.clouds().map(|cloud| &cloud.ident)) {
        diagnostics.error(
            name,
            format!("two clouds are named `{name}`\nhelp: rename one, or remove it if it is the same"),
        );
    }
}

fn distinct_functions(source: &Source, diagnostics: &mut Diagnostics) {
    for (name, _) in repeated(source.fns().map(|item| &item.sig.ident)) {
        diagnostics.error(
            name,
            format!("two functions are named `{name}`\nhelp: rename one: the name says which function a cloud runs"),
        );
    }
}

/// The names that occur before, each with its position.
pub(crate) fn repeated<'a>(names: impl Iterator<Item = &'a Ident>) -> Vec<(&'a Ident, usize)> {
    let mut seen = HashSet::new();
    names.enumerate().filter(|(_, name)| !seen.insert(*name)).map(|(at, name)| (name, at)).collect()
}

fn free_type_name(source: &Source, diagnostics: &mut Diagnostics) {
    for (item, _) in source.workflows() {
        let generated = camel_case(&item.sig.ident);
        if let Some(taken) =
            source.others().filter_map(|other| other.type_ident.as_ref()).find(|ty| **ty == generated)
        {
            diagnostics.error(
                taken,
                format!(
                    "the type `{generated}` is generated for the workflow `{}`\nhelp: rename this type or the workflow",
                    item.sig.ident
                ),
            );
        }
    }
}

fn unconditional(source: &Source, diagnostics: &mut Diagnostics) {
    let clouds = source.clouds().filter_map(|cloud| cloud.cfg.as_ref());
    let functions = source.fns().filter_map(|item| item.cfg.as_ref());
    for cfg in clouds.chain(functions) {
        diagnostics.error(
            cfg,
            "clouds and functions cannot be conditional: all binaries of a workflow share one definition\n\
             help: remove it, or put the `#[cfg]` inside of the function's body",
        );
    }
}

fn regions(source: &Source, diagnostics: &mut Diagnostics) {
    for (_, region) in source.clouds().filter_map(|cloud| cloud.value.as_ref()) {
        if region.value().trim().is_empty() {
            diagnostics.error(
                region,
                "the region is empty\nhelp: write the provider's name for it, as in `\"ap-northeast-1\"`",
            );
        }
    }
}

/// Whether a cloud is declared; when none is, unknown names would only repeat it.
fn a_cloud(source: &Source, diagnostics: &mut Diagnostics) -> bool {
    let declared = !cloud_names(source).is_empty();
    if !declared {
        let rule = "no cloud is declared\nhelp: add `const AWS: Cloud = Cloud::aws(\"ap-northeast-1\");`";
        match source.fns().next() {
            Some(first) => diagnostics.error(&first.marker, rule),
            None => diagnostics.error(Span::call_site(), rule),
        }
    }
    declared
}

fn home(source: &Source, diagnostics: &mut Diagnostics) {
    for (_, args) in source.workflows() {
        if let Some(home) = args.home.ident() {
            known_cloud(home, source, diagnostics);
        }
    }
}

fn bounds(source: &Source, diagnostics: &mut Diagnostics) {
    for (_, args) in source.workflows() {
        let small = |given: Option<Given<u32>>| given.map(|given| (u64::from(given.value), given.span));
        let bounds = [
            ("max_turns", small(args.max_turns)),
            ("max_branches", small(args.max_branches)),
            ("max_calls", args.max_calls.map(|given| (given.value, given.span))),
        ];
        for (key, bound) in bounds {
            if let Some((0, span)) = bound {
                diagnostics.error(
                    span,
                    format!(
                        "`{key}` is 0, so that nothing could run\nhelp: write at least 1, or remove the key"
                    ),
                );
            }
        }
    }
}

fn version(source: &Source, diagnostics: &mut Diagnostics) {
    for version in source.workflows().filter_map(|(_, args)| args.version.as_ref()) {
        let text = &version.value;
        let wrong = if text.is_empty() {
            "is empty".to_owned()
        } else if text.len() > LONGEST_VERSION {
            format!("has {} bytes, over its limit of {LONGEST_VERSION}", text.len())
        } else if text.chars().any(char::is_control) {
            "holds a control character".to_owned()
        } else {
            continue;
        };
        diagnostics.error(
            version.span,
            format!(
                "`version` {wrong}\nhelp: write a short text, as in `version = \"2\"`, or remove the key"
            ),
        );
    }
}

/// The declared clouds, each name once, half-typed ones included.
fn cloud_names(source: &Source) -> Vec<&Ident> {
    let broken = source.broken(BrokenKind::Cloud).filter_map(|item| item.ident.as_ref());
    let mut names: Vec<&Ident> = Vec::new();
    for name in source.clouds().map(|cloud| &cloud.ident).chain(broken) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reports a name that is no declared cloud.
fn known_cloud(name: &Ident, source: &Source, diagnostics: &mut Diagnostics) -> bool {
    let names = cloud_names(source);
    let known = names.contains(&name);
    if !known {
        let guess = suggest::did_you_mean(&name.to_string(), &names);
        let (verb, options) =
            (if names.len() == 1 { "cloud is" } else { "clouds are" }, suggest::all_of(&names));
        diagnostics.error(
            name,
            format!(
                "unknown cloud `{name}`\n\
                 help: {guess}the {verb} {options}; `const {name}: Cloud = Cloud::aws(\"…\");` declares another"
            ),
        );
    }
    known
}
