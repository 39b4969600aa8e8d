//! Valid source → model: names become indices, defaults are filled in.
//!
//! Must not report: whatever can be wrong is found by `validate`, which runs first.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Block, FnArg, GenericArgument, PathArguments, ReturnType, Signature, Type, parse_quote};

use crate::{
    attr::{FunctionArgs, WorkflowArgs},
    model::{Batch, Cloud, Function, Model, Param, Placement, Retry, Workflow},
    source::{CloudItem, FnItem, Source, camel_case},
    value::Given,
};

pub(crate) const DEFAULT_MEMORY_MB: u32 = 512;
pub(crate) const DEFAULT_TIMEOUT_MS: u64 = 60_000;
const DEFAULT_BACKOFF_MS: u64 = 100;
const DEFAULT_MAX_TURNS: u32 = 10_000;
const DEFAULT_MAX_BRANCHES: u32 = 100_000;
/// As many as the other defaults allow of one fan-out in one loop.
const DEFAULT_MAX_CALLS: u64 = DEFAULT_MAX_TURNS as u64 * DEFAULT_MAX_BRANCHES as u64;

/// The model of a source without errors; `None` when the workflow's body is half typed, which
/// rustc reports.
pub(crate) fn resolve(source: &Source) -> Option<Model> {
    let clouds = source.clouds().map(cloud).collect::<Option<Vec<_>>>()?;
    let functions = source
        .functions()
        .map(|(item, args)| {
            let (mut params, mut output) = (params(&item.sig), output(&item.sig));
            if args.batch.is_some() {
                for ty in params.iter_mut().map(|param| &mut param.ty).chain([&mut output]) {
                    *ty = element_of_vec(ty)?.clone();
                }
            }
            Some(Function {
                ident: item.sig.ident.clone(),
                doc: item.doc.clone(),
                sig: item.sig.clone(),
                params,
                output,
                placement: placement(args, &clouds)?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    let (item, args) = source.workflows().next()?;
    let workflow = workflow(item, args, &clouds)?;
    let by_name =
        functions.iter().enumerate().map(|(at, function)| (function.ident.to_string(), at)).collect();
    Some(Model { clouds, functions, workflow, by_name })
}

fn cloud(item: &CloudItem) -> Option<Cloud> {
    let (provider, region) = item.value.clone()?;
    Some(Cloud { ident: item.ident.clone(), provider, region })
}

fn workflow(item: &FnItem, args: &WorkflowArgs, clouds: &[Cloud]) -> Option<Workflow> {
    let body: Block = syn::parse2(item.body.to_token_stream()).ok()?;
    Some(Workflow {
        vis: item.vis.clone(),
        ident: item.sig.ident.clone(),
        type_ident: camel_case(&item.sig.ident),
        doc: item.doc.clone(),
        sig: item.sig.clone(),
        params: params(&item.sig),
        output: output(&item.sig),
        body,
        home: args.home.ident().and_then(|name| index(name, clouds)),
        max_turns: value(args.max_turns).unwrap_or(DEFAULT_MAX_TURNS),
        max_branches: value(args.max_branches).unwrap_or(DEFAULT_MAX_BRANCHES),
        max_calls: value(args.max_calls).unwrap_or(DEFAULT_MAX_CALLS),
        version: value(args.version.clone()),
    })
}

fn placement(args: &FunctionArgs, clouds: &[Cloud]) -> Option<Placement> {
    let retry = &args.retry;
    Some(Placement {
        on: match args.on.ident() {
            Some(name) => index(name, clouds)?,
            None => 0,
        },
        failover: args.failover.iter().map(|name| index(name, clouds)).collect::<Option<_>>()?,
        memory_mb: value(args.memory_mb).unwrap_or(DEFAULT_MEMORY_MB),
        timeout_ms: value(args.timeout_ms).unwrap_or(DEFAULT_TIMEOUT_MS),
        cpu_milli: value(args.cpu_milli).unwrap_or(0),
        gpu_gb: value(args.gpu_gb).unwrap_or(0),
        retry: Retry {
            attempts: value(retry.attempts).unwrap_or(1),
            backoff_ms: value(retry.backoff_ms).unwrap_or(DEFAULT_BACKOFF_MS),
            jitter_percent: value(retry.jitter_percent)
                .and_then(|percent| percent.try_into().ok())
                .unwrap_or(0),
        },
        dedupe_before: args.dedupe_before.is_some(),
        batch: match &args.batch {
            Some(batch) => Some(Batch { size: value(batch.size)?, wait_ms: value(batch.wait_ms)? }),
            None => None,
        },
    })
}

/// `T` of `Vec<T>`.
pub(crate) fn element_of_vec(ty: &Type) -> Option<&Type> {
    let last = match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last()?,
        Type::Group(group) => return element_of_vec(&group.elem),
        Type::Paren(paren) => return element_of_vec(&paren.elem),
        _ => return None,
    };
    let PathArguments::AngleBracketed(generics) = &last.arguments else { return None };
    match generics.args.first()? {
        GenericArgument::Type(element) if last.ident == "Vec" && generics.args.len() == 1 => Some(element),
        _ => None,
    }
}

fn params(sig: &Signature) -> Vec<Param> {
    let typed = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(param) => Some(param),
        FnArg::Receiver(_) => None,
    });
    typed.map(|param| Param { pat: (*param.pat).clone(), ty: (*param.ty).clone() }).collect()
}

fn output(sig: &Signature) -> Type {
    match &sig.output {
        ReturnType::Default => parse_quote!(()),
        ReturnType::Type(_, ty) => (**ty).clone(),
    }
}

fn index(name: &Ident, clouds: &[Cloud]) -> Option<usize> {
    clouds.iter().position(|cloud| cloud.ident == *name)
}

fn value<T>(given: Option<Given<T>>) -> Option<T> {
    given.map(|given| given.value)
}
