//! The command line: which commands and flags there are, and their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::platform::Image;

/// `cargo jointlambda`, however it was called.
#[derive(Debug, Parser)]
#[command(
    name = "cargo-jointlambda",
    bin_name = "cargo jointlambda",
    version,
    about = "Packages a jointlambda workflow for its clouds",
    long_about = "Packages a jointlambda workflow for its clouds: per cloud a zip with its functions, and a \
                  Terraform module with all they need. It speaks to no cloud and needs no credentials.",
    after_help = "Examples:\n  cargo jointlambda describe\n  cargo jointlambda build --dry-run\n  \
                  cargo jointlambda build --out deploy && terraform -chdir=deploy/aws init",
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the workflow's programs, and write a zip and a Terraform module for each cloud
    #[command(after_help = BUILD_EXAMPLES)]
    Build(BuildArgs),
    /// Print what would be deployed: functions, stores, sweepers
    #[command(
        after_help = "Examples:\n  cargo jointlambda describe\n  cargo jointlambda describe --out deploy --cloud AWS --json"
    )]
    Describe(DescribeArgs),
}

const BUILD_EXAMPLES: &str = "Examples:
  cargo jointlambda build
  cargo jointlambda build --dry-run --json
  cargo jointlambda build -p orders --out deploy --bucket my-orders
  cargo jointlambda build --zigbuild --target aarch64-unknown-linux-gnu.2.34

What is written into the output directory (target/jointlambda/WORKFLOW):
  aws/main.tf.json             the root: provider, variables, and a module for each of the following
  aws/store/                   table and bucket, which all deployments of the workflow share
  aws/DEPLOYMENT/              the functions of one deployment, with their zip: of one definition,
                               with the tables of its clouds
  .jointlambda.json            which files were written
  jointlambda.toml             where the workflow's clouds are, for the commands that operate runs
Of a cloud that is another one in this deployment, jointlambda.toml has `same_as = \"AWS\"` and nothing else.
Deployments that are there already stay, so that runs in flight end on the functions they began on;
`--prune` removes them. A file that was changed by hand is never overwritten: files of your own beside
main.tf.json are Terraform's too, such as a `backend.tf`.";

/// Which package, and how it is compiled: as cargo has it.
#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The package with the workflow
    #[arg(long, short, value_name = "PACKAGE")]
    pub(crate) package: Option<String>,
    /// The workflow's binaries, if the package has several: NAME of `NAME-aws`, `NAME-aliyun`
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Option<String>,
    /// Where to find Cargo.toml
    #[arg(long, value_name = "FILE", help_heading = "Compilation")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// What to compile for; with --zigbuild the oldest glibc may follow, as in
    /// x86_64-unknown-linux-gnu.2.34
    #[arg(long, value_name = "TRIPLE", help_heading = "Compilation")]
    pub(crate) target: Option<String>,
    /// Compile with `cargo zigbuild`, for a glibc as old as the platform's
    #[arg(long, help_heading = "Compilation")]
    pub(crate) zigbuild: bool,
    /// What Function Compute runs programs in
    #[arg(long, value_name = "IMAGE", default_value = "custom.debian11", help_heading = "Compilation")]
    pub(crate) runtime: Image,
    /// The profile to compile with
    #[arg(long, value_name = "NAME", default_value = "release", help_heading = "Compilation")]
    pub(crate) profile: String,
    /// Features of the package to activate
    #[arg(long, short = 'F', value_name = "FEATURES", help_heading = "Compilation")]
    pub(crate) features: Vec<String>,
    /// Activate all features of the package
    #[arg(long, help_heading = "Compilation")]
    pub(crate) all_features: bool,
    /// Do not activate the package's default feature
    #[arg(long, help_heading = "Compilation")]
    pub(crate) no_default_features: bool,
    /// Fail when Cargo.lock would change
    #[arg(long, help_heading = "Compilation")]
    pub(crate) locked: bool,
    /// Do not access the network
    #[arg(long, help_heading = "Compilation")]
    pub(crate) offline: bool,
}

/// `build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    #[command(flatten)]
    pub(crate) compile: CompileArgs,
    /// Where to write; target/jointlambda/WORKFLOW unless given
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The name of the bucket, where none is set; of one cloud of several as CLOUD=NAME
    #[arg(long, value_name = "[CLOUD=]NAME")]
    pub(crate) bucket: Vec<String>,
    /// Remove the functions of earlier deployments: runs that began on them do not end
    #[arg(long)]
    pub(crate) prune: bool,
    /// Overwrite generated files that were changed by hand
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Compile nothing; package the programs that are compiled already
    #[arg(long)]
    pub(crate) compiled: bool,
    /// Compile nothing and write nothing; print all that would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `describe`.
#[derive(Debug, Args)]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    pub(crate) compile: CompileArgs,
    /// Where `build` writes: names follow from the tables in its jointlambda.toml; target/jointlambda/WORKFLOW
    /// unless given
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Only what is on this cloud of the workflow
    #[arg(long, value_name = "CLOUD")]
    pub(crate) cloud: Option<String>,
    /// Compile nothing; describe what is compiled already
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_is_consistent_and_has_help_with_examples() {
        let command = Cli::command();
        command.clone().debug_assert();
        for mut command in command.get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }
}
