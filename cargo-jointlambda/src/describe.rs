//! `cargo jointlambda describe`: what would be deployed.

use crate::{
    args::DescribeArgs,
    build::settings_of,
    program::Programs,
    report,
    trouble::{Trouble, quoted},
};

/// Runs the command.
pub(crate) fn run(args: &DescribeArgs) -> Result<(), Trouble> {
    let settings_of = |project: &_, described: &_| settings_of(args.out.as_deref(), project, described);
    let programs = Programs::load(&args.compile, !args.dry_run, settings_of)?;
    let Some(settings) = &programs.settings else {
        let commands = programs.programs.iter().map(|program| program.command.as_str());
        return Err(Trouble::new("the workflow's programs are not compiled yet")
            .hint(format!("leave out `--dry-run`, or run {}", quoted(commands))));
    };
    if let (Some(cloud), Some(described)) = (&args.cloud, programs.described()) {
        let mut clouds = described.definition.clouds.iter().map(|def| def.name.as_str());
        if !clouds.clone().any(|name| name == cloud) {
            let hint = format!("pass one of {}", quoted(clouds.by_ref()));
            return Err(Trouble::new(format!("the workflow has no cloud `{cloud}`")).hint(hint));
        }
    }
    let report = report::deployed(&programs, settings, args.cloud.as_deref());
    if args.json {
        return crate::print(&format!("{report:#}\n"));
    }
    let mut text = report::deployed_text(&report, &programs);
    for note in &programs.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    crate::print(&text)
}
