//! Serverless workflows in ordinary Rust, across clouds, with no orchestrator.

pub use jointlambda_macros::{workflow, workflow_mod};
pub use jointlambda_runtime::*;

/// What a workflow's file needs: `use jointlambda::prelude::*;`.
pub mod prelude {
    pub use jointlambda_runtime::{
        Cloud, Error, Result, join,
        plain::{fan_out, try_fan_out},
        try_join,
    };
    pub use serde::{Deserialize, Serialize};
}
