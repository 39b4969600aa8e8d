//! The checked model of a workflow: what lowering and expansion work on.
//!
//! Data only. Everything in it has passed `validate`, names are resolved to indices, defaults are
//! filled in; whatever keeps tokens keeps the user's spans. Must not hold what could be invalid.

use std::collections::HashMap;

use proc_macro2::Ident;
use syn::{Block, LitStr, Pat, Signature, Type, Visibility};

/// A whole `workflow!`: clouds and functions in source order.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) clouds: Vec<Cloud>,
    pub(crate) functions: Vec<Function>,
    pub(crate) workflow: Workflow,
    /// The functions' positions by name: to compare two `Ident`s writes both out.
    pub(crate) by_name: HashMap<String, usize>,
}

impl Model {
    /// The position of the function of that name.
    pub(crate) fn function(&self, name: &Ident) -> Option<usize> {
        self.by_name.get(&name.to_string()).copied()
    }
}

/// `const AWS: Cloud = Cloud::aws("region");`
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) ident: Ident,
    pub(crate) provider: Provider,
    pub(crate) region: LitStr,
}

/// A provider that clouds can be declared of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    Aws,
    Aliyun,
}

/// A `#[function]`.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) ident: Ident,
    /// The first line of the doc comment; empty when there is none.
    pub(crate) doc: String,
    pub(crate) sig: Signature,
    /// What a call takes: the parameters, or of a batch function the element of its parameter.
    pub(crate) params: Vec<Param>,
    /// What a call gives: the return type (`()` when the signature gives none), or of a batch
    /// function its element.
    pub(crate) output: Type,
    pub(crate) placement: Placement,
}

/// One parameter; never `self`.
#[derive(Debug)]
pub(crate) struct Param {
    pub(crate) pat: Pat,
    pub(crate) ty: Type,
}

/// Where a function runs and what it needs. Clouds are indices into [`Model::clouds`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) on: usize,
    /// In order of preference; never contains `on`, nor a cloud twice.
    pub(crate) failover: Vec<usize>,
    pub(crate) memory_mb: u32,
    pub(crate) timeout_ms: u64,
    /// 0 leaves the choice to the provider.
    pub(crate) cpu_milli: u32,
    /// 0 for none.
    pub(crate) gpu_gb: u32,
    pub(crate) retry: Retry,
    /// `dedupe = before`.
    pub(crate) dedupe_before: bool,
    pub(crate) batch: Option<Batch>,
}

/// `batch(size, wait)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// At least 2.
    pub(crate) size: u32,
    /// At least 1.
    pub(crate) wait_ms: u64,
}

/// `retry(attempts, backoff, jitter)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Retry {
    /// 1 means that nothing is tried again.
    pub(crate) attempts: u32,
    pub(crate) backoff_ms: u64,
    /// 0 to 100.
    pub(crate) jitter_percent: u8,
}

/// The `#[workflow]` function.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    /// The name in CamelCase, with the span of the name: the generated type.
    pub(crate) type_ident: Ident,
    /// The first line of the doc comment; empty when there is none.
    pub(crate) doc: String,
    pub(crate) sig: Signature,
    pub(crate) params: Vec<Param>,
    /// `()` when the signature gives none.
    pub(crate) output: Type,
    /// The body, to lower. What is emitted are the user's own tokens, never this.
    pub(crate) body: Block,
    /// `home = …`, an index into [`Model::clouds`].
    pub(crate) home: Option<usize>,
    pub(crate) max_turns: u32,
    pub(crate) max_branches: u32,
    pub(crate) max_calls: u64,
    /// `version = "…"`.
    pub(crate) version: Option<String>,
}

impl Workflow {
    /// The cloud of the run rows. By default the first: a key must name the same row in every
    /// version of a workflow, and the order of the clouds changes less often than the functions'
    /// placements.
    pub(crate) fn home(&self) -> usize {
        self.home.unwrap_or(0)
    }
}
