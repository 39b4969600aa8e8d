//! The static tables of a workflow: what the macros emit, and nothing else.
//!
//! Everything here is data, known at compile time: the clouds, the functions and their placement,
//! the nodes (call sites and fan-ins) with their successors, and an outline to draw. No function
//! here runs anything; the code that goes with a definition is [`Code`](crate::machine::Code).

mod hash;

pub use hash::hashed;
use serde::Serialize;

use crate::provider::Provider;

/// A cloud that functions are placed on: a provider and one of its regions.
///
/// ```
/// use jointlambda_runtime::Cloud;
///
/// const AWS: Cloud = Cloud::aws("ap-northeast-1");
/// assert_eq!(AWS.region, "ap-northeast-1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Cloud {
    /// Who runs it.
    pub provider: Provider,
    /// The provider's name for the region.
    pub region: &'static str,
}

impl Cloud {
    /// AWS: Lambda, DynamoDB and S3 in `region`.
    pub const fn aws(region: &'static str) -> Self {
        Cloud { provider: Provider::Aws, region }
    }

    /// Alibaba Cloud: Function Compute, TableStore and OSS in `region`.
    pub const fn aliyun(region: &'static str) -> Self {
        Cloud { provider: Provider::Aliyun, region }
    }
}

/// Index of a cloud in [`Definition::clouds`].
pub type CloudIndex = u16;
/// Index of a function in [`Definition::functions`].
pub type FunctionIndex = u16;
/// Index of a node in [`Definition::nodes`].
pub type NodeIndex = u16;

/// A whole workflow as data.
#[derive(Debug, Serialize)]
pub struct Definition {
    /// The workflow function's name.
    pub name: &'static str,
    /// The first line of its doc comment, or nothing.
    pub doc: &'static str,
    /// A hash of what names, homes and encodings follow from: the clouds, `home`, the bounds,
    /// `version`, the code of the workflow function, the signatures and `on` and `batch` of the
    /// functions, the nodes and variables, the formats of the runtime, and the shapes of the types
    /// that travel, as their `Deserialize` impls ask for them. Two deployments with different
    /// hashes do not understand each other's rows and envelopes.
    pub hash: u64,
    /// The names of the workflow function's parameters.
    pub params: &'static [&'static str],
    /// The cloud whose table holds the run rows.
    pub home: CloudIndex,
    /// The clouds, in the order in which they are declared.
    pub clouds: &'static [CloudDef],
    /// The functions, in the order in which they are declared.
    pub functions: &'static [FunctionDef],
    /// The call sites and fan-ins, in source order.
    pub nodes: &'static [NodeDef],
    /// The nodes that a run may begin with.
    pub first: &'static [NodeIndex],
    /// The shape of the workflow function, for drawing.
    pub outline: &'static [Outline],
    /// How often one loop may turn before its run fails.
    pub max_turns: u32,
    /// How many branches one fan-out may have before its run fails.
    pub max_branches: u32,
    /// How many calls a run may make at one place before it fails: the product of the branches and
    /// the turns of the fan-outs and loops around the place.
    pub max_calls: u64,
}

/// A named cloud of a workflow.
#[derive(Debug, Serialize)]
pub struct CloudDef {
    /// The name of the `const`, unique in the workflow.
    pub name: &'static str,
    /// Its value.
    pub cloud: Cloud,
}

/// One `#[function]`: its placement and what it needs.
#[derive(Debug, Serialize)]
pub struct FunctionDef {
    /// The function's name, unique in the workflow.
    pub name: &'static str,
    /// The first line of its doc comment, or nothing.
    pub doc: &'static str,
    /// Where it runs, and whose table holds its rows.
    pub on: CloudIndex,
    /// Where copies of it run when the first cloud cannot take an invocation, in order.
    pub failover: &'static [CloudIndex],
    /// Memory in MB.
    pub memory_mb: u32,
    /// Longest time one execution may take, in milliseconds.
    pub timeout_ms: u64,
    /// vCPUs in thousandths; 0 leaves the choice to the provider.
    pub cpu_milli: u32,
    /// GPU memory in GB; 0 for none.
    pub gpu_gb: u32,
    /// How often and how fast an `Err` is tried again before it is committed.
    pub retry: RetryDef,
    /// Whether the home row is read before the user function starts, not beside it.
    pub dedupe_before: bool,
    /// How its calls are gathered, when it runs on many at once.
    pub batch: Option<BatchDef>,
}

impl FunctionDef {
    /// Every cloud the function can run on: its placement, then its failover placements.
    pub fn placements(&self) -> impl Iterator<Item = CloudIndex> + Clone + '_ {
        std::iter::once(self.on).chain(self.failover.iter().copied())
    }

    /// How long the platform must let one delivery run, in milliseconds: a batch may have to be
    /// waited for before the function starts.
    pub fn delivery_ms(&self) -> u64 {
        self.timeout_ms + self.batch.map_or(0, |batch| batch.wait_ms)
    }
}

/// `batch(size, wait)`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BatchDef {
    /// How many calls make a batch full; at least 2.
    pub size: u32,
    /// How long a batch that is not full gathers, in milliseconds; at least 1.
    pub wait_ms: u64,
}

/// `retry(attempts, backoff, jitter)`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RetryDef {
    /// Executions in all; 1 means that nothing is tried again.
    pub attempts: u32,
    /// Wait before the second attempt, doubled for each further one, in milliseconds.
    pub backoff_ms: u64,
    /// The part of each wait, in percent, that is drawn at random.
    pub jitter_percent: u8,
}

/// A call site or a fan-in.
#[derive(Debug, Serialize)]
pub struct NodeDef {
    /// Unique in the workflow: the function's name for its first call site, `name#2` for the
    /// second; `map`, `join`, `first`, `race`, `map#2` … for fan-ins.
    pub name: &'static str,
    /// Which of the two.
    pub kind: NodeKind,
    /// The state of the glue that goes on when this node's outcome is there.
    pub resume: u16,
    /// Whether all that can follow is the end of the branch (or of the run): then the arrival is
    /// itself the commit.
    pub tail: bool,
    /// Whether the glue that follows can be run twice with the same result, so that a fan-in need
    /// not commit before it dispatches.
    pub pure: bool,
    /// The nodes that may come next (for a fan-out, the first nodes of its branches).
    pub next: &'static [NodeIndex],
}

/// What a node is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// A call of a function.
    Call {
        /// Which function.
        function: FunctionIndex,
    },
    /// The fan-in of a fan-out.
    Join {
        /// The cloud whose table holds the join rows: the one where most branches end.
        home: CloudIndex,
        /// The number of branches when it is known at compile time (`join!`, `race!`).
        branches: Option<u32>,
        /// How many `Ok` it waits for, as written (`first_ok`, `race!`); `None` when it waits for
        /// all branches.
        first: Option<&'static str>,
    },
}

/// The shape of a workflow function, for drawing: a tree that follows the source.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outline {
    /// A call; the name of its node says which.
    Call {
        /// The call's node.
        node: NodeIndex,
    },
    /// `fan_out`, `try_fan_out`, `first_ok`: the body runs once per element.
    Map {
        /// The fan-in's node.
        node: NodeIndex,
        /// The list as written, shortened.
        over: &'static str,
        /// One branch.
        body: &'static [Outline],
    },
    /// `join!`, `try_join!`, `race!`: unlike branches side by side.
    Join {
        /// The fan-in's node.
        node: NodeIndex,
        /// The branches, in order.
        branches: &'static [&'static [Outline]],
    },
    /// `if`, `match`: one of the arms.
    Choice {
        /// The condition or scrutinee as written, shortened.
        on: &'static str,
        /// The label (`else`, a pattern …) and content of each arm.
        arms: &'static [(&'static str, &'static [Outline])],
    },
    /// `while`, `loop`, `for` around calls.
    Loop {
        /// The head as written, shortened.
        head: &'static str,
        /// One turn.
        body: &'static [Outline],
    },
    /// An early end: `return`.
    Return,
}

impl Definition {
    /// The node at `index`, or `None` when the index comes from another definition.
    pub fn node(&self, index: NodeIndex) -> Option<&NodeDef> {
        self.nodes.get(usize::from(index))
    }

    /// The function that a call node calls; `None` for a fan-in.
    pub fn function_of(&self, node: &NodeDef) -> Option<&FunctionDef> {
        match node.kind {
            NodeKind::Call { function } => self.functions.get(usize::from(function)),
            NodeKind::Join { .. } => None,
        }
    }

    /// Which function a call node calls; `None` for a fan-in.
    pub fn function_index(&self, node: &NodeDef) -> Option<FunctionIndex> {
        match node.kind {
            NodeKind::Call { function } => Some(function),
            NodeKind::Join { .. } => None,
        }
    }

    /// How many `Ok` a fan-in waits for, as written; `None` when it waits for all branches.
    pub fn first_of(&self, node: NodeIndex) -> Option<&'static str> {
        match self.node(node)?.kind {
            NodeKind::Join { first, .. } => first,
            NodeKind::Call { .. } => None,
        }
    }

    /// The cloud whose table holds the rows of `node`'s instances.
    pub fn home_of(&self, node: &NodeDef) -> CloudIndex {
        match node.kind {
            NodeKind::Call { function } => self.functions[usize::from(function)].on,
            NodeKind::Join { home, .. } => home,
        }
    }
}
