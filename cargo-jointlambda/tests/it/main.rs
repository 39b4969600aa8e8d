//! The tool as a user and a script see it: a project, the command, what it writes, and what Terraform
//! makes of that.

mod commands;
mod harness;
mod mistakes;
mod schema;
mod terraform;
// Also what the tests of clouds read such documents with.
#[path = "../../../tests/cloud/src/artefacts/yaml.rs"]
mod yaml;
