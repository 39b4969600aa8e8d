//! The static definition: data only.

use proc_macro2::TokenStream;
use quote::quote;

use crate::{
    hash::{self, Tables},
    lower::{Lowered, Node, NodeKind, Outline},
    model::{Batch, Function, Model},
};

/// The `Definition` of a workflow.
pub(super) fn expand_definition(model: &Model, lowered: &Lowered, tables: &Tables) -> TokenStream {
    let workflow = &model.workflow;
    let (name, doc) = (workflow.ident.to_string(), &workflow.doc);
    let hash = hash::hash(model, lowered, tables);
    let params = workflow.params.iter().map(|param| match &param.pat {
        syn::Pat::Ident(pat) => pat.ident.to_string(),
        _ => String::new(),
    });
    let home = index(workflow.home());
    let clouds = model.clouds.iter().map(|cloud| {
        let (ident, name) = (&cloud.ident, cloud.ident.to_string());
        quote!(__private::CloudDef { name: #name, cloud: #ident })
    });
    let functions = model.functions.iter().map(expand_function);
    let nodes = lowered.nodes.iter().map(expand_node);
    let first = lowered.first.iter().map(|&node| index(node));
    let outline = expand_outline(&lowered.outline);
    let (max_turns, max_branches, max_calls) =
        (workflow.max_turns, workflow.max_branches, workflow.max_calls);
    quote! {
        __private::Definition {
            name: #name,
            doc: #doc,
            hash: #hash,
            params: &[#(#params),*],
            home: #home,
            clouds: &[#(#clouds),*],
            functions: &[#(#functions),*],
            nodes: &[#(#nodes),*],
            first: &[#(#first),*],
            outline: #outline,
            max_turns: #max_turns,
            max_branches: #max_branches,
            max_calls: #max_calls,
        }
    }
}

fn expand_function(function: &Function) -> TokenStream {
    let placement = &function.placement;
    let (name, doc) = (function.ident.to_string(), &function.doc);
    let on = index(placement.on);
    let failover = placement.failover.iter().map(|&cloud| index(cloud));
    let (memory_mb, timeout_ms) = (placement.memory_mb, placement.timeout_ms);
    let (cpu_milli, gpu_gb, dedupe_before) = (placement.cpu_milli, placement.gpu_gb, placement.dedupe_before);
    let (attempts, backoff_ms) = (placement.retry.attempts, placement.retry.backoff_ms);
    let jitter_percent = placement.retry.jitter_percent;
    let batch = match &placement.batch {
        Some(Batch { size, wait_ms }) => quote! {
            ::core::option::Option::Some(__private::BatchDef { size: #size, wait_ms: #wait_ms })
        },
        None => quote!(::core::option::Option::None),
    };
    quote! {
        __private::FunctionDef {
            name: #name,
            doc: #doc,
            on: #on,
            failover: &[#(#failover),*],
            memory_mb: #memory_mb,
            timeout_ms: #timeout_ms,
            cpu_milli: #cpu_milli,
            gpu_gb: #gpu_gb,
            retry: __private::RetryDef {
                attempts: #attempts,
                backoff_ms: #backoff_ms,
                jitter_percent: #jitter_percent,
            },
            dedupe_before: #dedupe_before,
            batch: #batch,
        }
    }
}

fn expand_node(node: &Node) -> TokenStream {
    let (name, resume, tail, pure) = (&node.name, index(node.resume), node.tail, node.pure);
    let next = node.next.iter().map(|&next| index(next));
    let kind = match &node.kind {
        NodeKind::Call { function } => {
            let function = index(*function);
            quote!(Call { function: #function })
        }
        NodeKind::Join { home, branches, first } => {
            let home = index(*home);
            let branches = match branches {
                Some(count) => {
                    let count = *count as u32;
                    quote!(::core::option::Option::Some(#count))
                }
                None => quote!(::core::option::Option::None),
            };
            let first = match first {
                Some(first) => quote!(::core::option::Option::Some(#first)),
                None => quote!(::core::option::Option::None),
            };
            quote!(Join { home: #home, branches: #branches, first: #first })
        }
    };
    quote! {
        __private::NodeDef {
            name: #name,
            kind: __private::NodeKind::#kind,
            resume: #resume,
            tail: #tail,
            pure: #pure,
            next: &[#(#next),*],
        }
    }
}

fn expand_outline(outline: &[Outline]) -> TokenStream {
    let parts = outline.iter().map(|part| match part {
        Outline::Call(node) => {
            let node = index(*node);
            quote!(__private::Outline::Call { node: #node })
        }
        Outline::Map { node, over, body } => {
            let (node, body) = (index(*node), expand_outline(body));
            quote!(__private::Outline::Map { node: #node, over: #over, body: #body })
        }
        Outline::Join { node, branches } => {
            let (node, branches) = (index(*node), branches.iter().map(|branch| expand_outline(branch)));
            quote!(__private::Outline::Join { node: #node, branches: &[#(#branches),*] })
        }
        Outline::Choice { on, arms } => {
            let arms = arms.iter().map(|(label, body)| {
                let body = expand_outline(body);
                quote!((#label, #body))
            });
            quote!(__private::Outline::Choice { on: #on, arms: &[#(#arms),*] })
        }
        Outline::Loop { head, body } => {
            let body = expand_outline(body);
            quote!(__private::Outline::Loop { head: #head, body: #body })
        }
        Outline::Return => quote!(__private::Outline::Return),
    });
    quote!(&[#(#parts),*])
}

/// An index as the tables hold it. A workflow with more than 65,535 call sites does not compile
/// in reasonable time, so the bound is not reached.
pub(super) fn index(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}
