//! A workflow with every construct, and names that each format must escape.

use crate::definition::{
    BatchDef, Cloud, CloudDef, Definition, FunctionDef, NodeDef, NodeKind, Outline, RetryDef,
};

const RETRY: RetryDef = RetryDef { attempts: 1, backoff_ms: 0, jitter_percent: 0 };

const fn function(name: &'static str, on: u16, doc: &'static str) -> FunctionDef {
    FunctionDef {
        name,
        doc,
        on,
        failover: &[],
        memory_mb: 1024,
        timeout_ms: 60_000,
        cpu_milli: 0,
        gpu_gb: 0,
        retry: RETRY,
        dedupe_before: false,
        batch: None,
    }
}

const fn call(name: &'static str, function: u16, next: &'static [u16]) -> NodeDef {
    NodeDef { name, kind: NodeKind::Call { function }, resume: 0, tail: false, pure: true, next }
}

const fn join(name: &'static str, home: u16, branches: Option<u32>, next: &'static [u16]) -> NodeDef {
    let kind = NodeKind::Join { home, branches, first: None };
    NodeDef { name, kind, resume: 0, tail: false, pure: true, next }
}

const fn first(name: &'static str, branches: Option<u32>, first: &'static str) -> NodeDef {
    let kind = NodeKind::Join { home: 1, branches, first: Some(first) };
    NodeDef { name, kind, resume: 0, tail: false, pure: false, next: &[7] }
}

pub(crate) static ALL: Definition = Definition {
    name: "video_analytics",
    doc: "Says what is seen in a clip.",
    hash: 0x0123_4567_89ab_cdef,
    params: &["clip"],
    home: 0,
    clouds: &[
        CloudDef { name: "AWS", cloud: Cloud::aws("ap-northeast-1") },
        CloudDef { name: "ALI", cloud: Cloud::aliyun("ap-northeast-1") },
    ],
    functions: &[
        function("split", 0, "Cuts a clip."),
        FunctionDef { gpu_gb: 8, memory_mb: 4096, ..function("extract", 1, "") },
        FunctionDef {
            failover: &[0],
            cpu_milli: 500,
            retry: RetryDef { attempts: 3, backoff_ms: 200, jitter_percent: 10 },
            dedupe_before: true,
            ..function("recognise", 1, "Names <what> & \"who\".")
        },
        FunctionDef { batch: Some(BatchDef { size: 32, wait_ms: 1_500 }), ..function("poster", 0, "") },
        function("review", 0, ""),
        function("publish", 0, ""),
    ],
    nodes: &[
        call("split", 0, &[1]),
        call("extract", 1, &[2, 3]),
        call("recognise", 2, &[3]),
        join("map", 1, None, &[4, 5]),
        call("poster", 3, &[6]),
        call("review", 4, &[6]),
        join("join", 0, Some(2), &[7, 8]),
        call("review#2", 4, &[7, 8]),
        call("publish", 5, &[]),
        first("first", None, "mirrors.len() - 1"),
        first("race", Some(2), "1"),
    ],
    first: &[0],
    outline: &[
        Outline::Call { node: 0 },
        Outline::Map {
            node: 3,
            over: "chunks.iter().filter(|c| c.len() > 0 && c.name != \"#1\")",
            body: &[
                Outline::Call { node: 1 },
                Outline::Choice { on: "if frame.is_blurred()", arms: &[("then", &[Outline::Return])] },
                Outline::Call { node: 2 },
            ],
        },
        Outline::Join {
            node: 6,
            branches: &[&[Outline::Call { node: 4 }], &[Outline::Call { node: 5 }], &[]],
        },
        Outline::Map { node: 9, over: "mirrors", body: &[Outline::Call { node: 1 }] },
        Outline::Join { node: 10, branches: &[&[Outline::Call { node: 4 }], &[Outline::Call { node: 5 }]] },
        Outline::Loop { head: "while report.confidence < 0.5", body: &[Outline::Call { node: 7 }] },
        Outline::Choice {
            on: "match report.kind",
            arms: &[
                ("Kind::Public(\"a\\b\")", &[Outline::Call { node: 8 }]),
                ("Kind::Empty", &[Outline::Return]),
                ("_", &[]),
            ],
        },
    ],
    max_turns: 10_000,
    max_branches: 100_000,
    max_calls: 1_000_000_000,
};

/// No call at all.
pub(crate) static NOTHING: Definition = Definition {
    name: "nothing",
    doc: "",
    hash: 0,
    params: &[],
    home: 0,
    clouds: &[CloudDef { name: "AWS", cloud: Cloud::aws("eu-central-1") }],
    functions: &[],
    nodes: &[],
    first: &[],
    outline: &[],
    max_turns: 1,
    max_branches: 1,
    max_calls: 1,
};
