//! What the tool says when all is well: tables for people, one JSON object for programs.

use serde_json::{Value, json};

use crate::{
    described::Described,
    output::{Action, Change},
    program::{Program, Programs},
    settings::Settings,
};

/// What is deployed, as JSON: of all clouds that there are programs for, or of one.
pub(crate) fn deployed(programs: &Programs, settings: &Settings, cloud: Option<&str>) -> Value {
    let (mut functions, mut stores, mut sweepers) = (Vec::new(), Vec::new(), Vec::new());
    for described in programs.programs.iter().filter_map(|program| program.described.as_ref()) {
        for (name, region) in described.clouds().filter(|(name, _)| cloud.is_none_or(|cloud| cloud == *name))
        {
            for function in described.functions_on(name) {
                functions.push(json!({
                    "function": function.function,
                    "cloud": name,
                    "name": function.name,
                    "memory_mb": function.memory_mb,
                    "timeout_s": function.timeout_s,
                    "gpu_gb": function.gpu_gb,
                    "cpu_milli": function.cpu_milli,
                    "failover": described.failover(&function.function),
                }));
            }
            stores.push(json!({
                "cloud": name,
                "provider": described.provider,
                "region": region,
                "table": settings.get(name, "table"),
                "bucket": settings.get(name, "bucket"),
                "object_days": described.object_days(),
            }));
            sweepers.push(json!({
                "cloud": name,
                "name": described.sweeper.name,
                "memory_mb": described.sweeper.memory_mb,
                "timeout_s": described.sweeper.timeout_s,
            }));
        }
    }
    let described = programs.described();
    let of = |value: fn(&Described) -> String| described.map(value).unwrap_or_default();
    json!({
        "workflow": of(Described::workflow),
        "deployment": of(|described| described.deployment().to_owned()),
        "definition": of(Described::hash),
        "runtime_version": of(|described| described.runtime_version.clone()),
        "package": programs.project.package,
        "functions": functions,
        "stores": stores,
        "sweepers": sweepers,
        "programs": programs.programs,
        "notes": programs.notes,
    })
}

/// The same for people.
pub(crate) fn deployed_text(report: &Value, programs: &Programs) -> String {
    let mut text = String::new();
    if let Some(described) = programs.described() {
        text.push_str(&heading(described));
        let mut rows = vec![
            ["FUNCTION", "CLOUD", "DEPLOYED AS", "MEMORY", "TIMEOUT", "FAILOVER"].map(str::to_owned).to_vec(),
        ];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let functions = report["functions"].as_array().into_iter().flatten();
        let sweepers = report["sweepers"].as_array().into_iter().flatten();
        for function in functions.chain(sweepers) {
            let failover =
                function["failover"].as_array().into_iter().flatten().map(word).collect::<Vec<_>>();
            rows.push(vec![
                function["function"].as_str().unwrap_or("(sweeper)").to_owned(),
                word(&function["cloud"]),
                word(&function["name"]),
                format!("{} MB", function["memory_mb"]),
                format!("{} s", function["timeout_s"]),
                failover.join(", "),
            ]);
        }
        text.push_str(&table(&rows));
        let mut rows = vec![
            ["CLOUD", "PROVIDER", "REGION", "TABLE", "BUCKET", "OBJECTS STAY"].map(str::to_owned).to_vec(),
        ];
        for store in report["stores"].as_array().into_iter().flatten() {
            let mut row: Vec<_> =
                ["cloud", "provider", "region", "table", "bucket"].map(|key| word(&store[key])).to_vec();
            row.push(format!("{} days", store["object_days"]));
            rows.push(row);
        }
        text.push('\n');
        text.push_str(&table(&rows));
    }
    text
}

fn heading(described: &Described) -> String {
    format!(
        "{}, deployment {}, definition {}, jointlambda {}\n\n",
        described.workflow(),
        described.deployment(),
        described.hash(),
        described.runtime_version
    )
}

/// The programs: how big, for what.
pub(crate) fn programs_text(programs: &[Program], dry_run: bool) -> String {
    let rows = programs.iter().map(|program| {
        let facts = program.facts.as_ref().map_or_else(Vec::new, |facts| {
            let glibc = facts.glibc.map_or("static".to_owned(), |glibc| format!("glibc {glibc}"));
            vec![size(facts.bytes), facts.architecture.to_owned(), glibc]
        });
        let mut row = vec![program.bin.clone()];
        row.extend(facts);
        row
    });
    let mut text = table(&rows.collect::<Vec<_>>());
    if dry_run {
        for program in programs {
            text.push_str(&format!("would run `{}`\n", program.command));
        }
    }
    text
}

/// What is written, or would be.
pub(crate) fn changes_text(changes: &[Change], dry_run: bool) -> String {
    let rows = changes.iter().map(|change| {
        let digest = &change.sha256[..12];
        let bytes = if change.action == Action::Remove { String::new() } else { size(change.bytes) };
        let action = change.action.word();
        let action = if dry_run { format!("would {action}") } else { action.to_owned() };
        vec![action, change.path.clone(), bytes, format!("sha256 {digest}…")]
    });
    table(&rows.collect::<Vec<_>>())
}

/// Columns as wide as what is in them.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// A number of bytes for people.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned()]];
        assert_eq!(table(&rows), "a    bb\nccc\n");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([size(999), size(1_500), size(2_340_000)], ["999 B", "1.5 KB", "2.3 MB"]);
    }
}
