//! What can be wrong, and what the tool says to do about it.

use std::fs;

use crate::harness::{Project, run_in};

fn refused(project: &Project, args: &[&str]) -> String {
    project.run(&[&["build", "--profile", "dev"], args].concat()).error().to_owned()
}

#[test]
fn no_project() {
    let dir = tempfile::tempdir().unwrap();
    let ran = run_in(dir.path(), &["build"]);
    assert!(ran.error().contains("could not find `Cargo.toml`"), "{ran:?}");
    assert!(ran.error().contains("`--manifest-path`"), "{ran:?}");
}

#[test]
fn no_program_for_a_cloud() {
    let project = Project::new();
    fs::rename(project.path("src/bin/two-seas-aws.rs"), project.path("src/main.rs")).unwrap();
    let error = refused(&project, &[]);
    assert!(
        error.contains("package `two-seas` has no binary `two-seas-aws` or `two-seas-aliyun`"),
        "{error}"
    );
    let line = "src/bin/two-seas-aws.rs with the line `jointlambda::serve!(two_seas::TwoSeas, aws);`";
    assert!(error.contains(line), "{error}");
    project.write("src/main.rs", "jointlambda::main!(Seas, Flags);");
    assert!(refused(&project, &[]).contains("serve!(two_seas::Seas, aws)"));
}

#[test]
fn a_package_or_program_that_is_not_there() {
    let project = Project::new();
    assert!(refused(&project, &["-p", "three-seas"]).contains("hint: pass one of `two-seas`"));
    assert!(refused(&project, &["--bin", "other"]).contains("hint: pass one of `two-seas`"));
    assert!(project.run(&["build", "--profile", "dev", "--bin", "two-seas"]).code == Some(0));
    project.write("src/bin/other-aws.rs", "fn main() {}");
    assert!(refused(&project, &[]).contains("choose one with `--bin`: `other`, `two-seas`"));
}

#[test]
fn a_workspace_with_several_workflows() {
    let project = Project::new();
    project.write("Cargo.toml", "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"3\"\n");
    for name in ["one", "two"] {
        project.write(
            &format!("{name}/Cargo.toml"),
            &format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n"),
        );
        project.write(&format!("{name}/src/bin/{name}-aws.rs"), "fn main() { panic!(\"broken\") }");
    }
    assert!(refused(&project, &[]).contains("choose one with `-p`: `one`, `two`"));
    let inside = run_in(&project.path("two/src"), &["build", "--profile", "dev"]);
    assert!(inside.error().contains("`two-aws --describe` failed"), "{inside:?}");
}

#[test]
fn a_program_that_does_not_compile_or_does_not_describe_itself() {
    let project = Project::new();
    project.write("src/bin/two-seas-aws.rs", "fn main() { nonsense }");
    let ran = project.run(&["build", "--profile", "dev"]);
    assert!(ran.stderr.contains("cannot find value `nonsense`"), "cargo's messages are shown: {ran:?}");
    assert!(ran.error().contains("failed\nhint: cargo's messages are above"), "{ran:?}");

    project.write("src/bin/two-seas-aws.rs", "fn main() { eprintln!(\"first\"); panic!(\"out of order\") }");
    let error = refused(&project, &[]);
    assert!(error.contains("`two-seas-aws --describe` failed (exit status: 101)"), "{error}");
    assert!(error.contains("serve!(…, aws);"), "{error}");
    let picky = "fn main() { if std::env::args().count() > 2 { eprintln!(\"error: jointlambda.toml has no sense\"); \
                 std::process::exit(2) } two_seas::serve(include_str!(\"../aws.json\")) }";
    project.write("src/bin/two-seas-aws.rs", picky);
    let error = refused(&project, &[]);
    assert!(error.contains("failed (exit status: 2): jointlambda.toml has no sense\n"), "{error}");
    assert!(error.contains("hint: correct jointlambda.toml: deployed functions are told"), "{error}");
    project.write("src/bin/two-seas-aws.rs", "fn main() { println!(\"hello\") }");
    assert!(refused(&project, &[]).contains("does not print what is expected"));
}

#[test]
fn a_program_that_the_platform_cannot_run() {
    let project = Project::new();
    project.build(&[]);
    let path = project.path("target/debug/two-seas-aws");
    let mut program = fs::read(&path).unwrap();
    // The string that the newest version it needs is named by.
    let newest = b"GLIBC_2.34\0";
    let at = program.windows(newest.len()).position(|window| window == newest).expect("it needs glibc 2.34");
    program[at..at + newest.len()].copy_from_slice(b"GLIBC_2.99\0");
    fs::write(&path, &program).unwrap();
    let error = refused(&project, &[]);
    assert!(
        error.contains("`two-seas-aws` needs glibc 2.99, and AWS Lambda (provided.al2023) has 2.34"),
        "{error}"
    );
    assert!(error.contains("`cargo jointlambda build -p two-seas --zigbuild --target "), "{error}");
    program[18..20].copy_from_slice(&243_u16.to_le_bytes());
    fs::write(&path, &program).unwrap();
    assert!(refused(&project, &[]).contains("a processor that AWS Lambda does not have"));
}

#[test]
fn a_function_that_the_platform_does_not_take() {
    let project = Project::new();
    project.replace("src/aws.json", "two-seas-01234567-join", &"j".repeat(65));
    assert!(refused(&project, &[]).contains("has 65 bytes; AWS Lambda takes 64"));
}

#[test]
fn an_output_directory_that_is_not_ours() {
    let project = Project::new();
    project.write("deploy/aws/main.tf.json", "{}");
    let error = refused(&project, &["--out", "deploy"]);
    assert!(error.contains("aws/main.tf.json is there, and was not written by this tool"), "{error}");
    assert!(!project.path("deploy/jointlambda.toml").exists(), "nothing is written");
    let error = refused(&project, &["--out", "Cargo.toml/deploy"]);
    assert!(error.contains("cannot write") || error.contains("failed to read"), "{error}");
    assert!(error.contains("`--out`"), "{error}");

    project.build(&[]);
    project.replace("target/jointlambda/two-seas/aws/main.tf.json", "30", "7");
    let error = refused(&project, &[]);
    assert!(error.contains("was changed after it was written"), "{error}");
    project.build(&["--overwrite"]);
}

#[test]
fn a_bucket_that_is_set_otherwise() {
    let project = Project::new();
    let error = refused(&project, &["--bucket", "some-bucket"]);
    assert!(error.contains("does not say of which cloud"), "{error}");
    project.build(&["--bucket", "AWS=some-bucket"]);
    let error = refused(&project, &["--bucket", "AWS=other-bucket"]);
    assert!(error.contains("the bucket of `AWS` is set to `some-bucket`"), "{error}");
    let ran = project.run(&["describe", "--profile", "dev", "--cloud", "GCP"]);
    assert!(ran.error().contains("hint: pass one of `AWS`, `ALI`"), "{ran:?}");
}

#[test]
fn a_program_that_only_one_platform_can_run() {
    let project = Project::with_aliyun();
    let report = project.build(&[]);
    assert_eq!(report["programs"][0]["glibc"], serde_json::Value::Null, "it is static");
    fs::remove_file(project.path(".cargo/config.toml")).unwrap();
    let error = refused(&project, &[]);
    assert!(error.contains("`two-seas-aliyun` needs glibc 2.3"), "{error}");
    assert!(error.contains("Function Compute (custom.debian11) has 2.31"), "{error}");
    assert!(error.contains("-unknown-linux-gnu.2.31`"), "{error}");
    assert!(
        error.contains("run it with 2.36: `cargo jointlambda build -p two-seas --runtime custom.debian12`")
    );
    project.build(&["--runtime", "custom.debian12"]);
    let module = project.path("target/jointlambda/two-seas/aliyun/01234567/main.tf.json");
    let module = fs::read_to_string(module).unwrap();
    assert!(module.contains(r#""runtime": "custom.debian12""#) && !module.contains("debian11"), "{module}");
}

#[test]
fn programs_that_disagree() {
    let project = Project::with_aliyun();
    project.build(&[]);
    project.redefine();
    let error = refused(&project, &[]);
    let what = "error: the programs are of different definitions of `two_seas`: `two-seas-aws` of \
                edcba98765432100, `two-seas-aliyun` of fedcba9876543210\n";
    assert!(error.starts_with(what), "{error}");
    assert!(error.contains("compile both from the same sources, with the same features"), "{error}");
    // One of another workflow has other clouds, which are not asked for in these settings.
    let aliyun = fs::read_to_string(project.path("src/aliyun.json")).unwrap();
    project.write("src/aliyun.json", &aliyun.replace("two_seas", "three_seas").replace("\"ALI\"", "\"SEA\""));
    let error = refused(&project, &[]);
    assert!(error.contains("`two-seas-aws` of `two_seas`, `two-seas-aliyun` of `three_seas`"), "{error}");
    assert!(error.contains("name the same workflow in each `serve!`"), "{error}");
}

#[test]
fn a_cloud_that_cannot_be_another() {
    let project = Project::new();
    let same = |text: &str| {
        project.write("jointlambda.toml", text);
        refused(&project, &[])
    };
    let error = same("[clouds.ALI]\nsame_as = \"GCP\"\n");
    assert!(error.contains("`GCP`, which the workflow does not have\nhint: name one of `AWS`"), "{error}");
    let error = same("[clouds.ALI]\nsame_as = \"AWS\"\ntable = \"t\"\n");
    assert!(error.contains("has `table` of its own"), "{error}");
    let error = same("[clouds.AWS]\nsame_as = \"ALI\"\n");
    assert!(error.contains("package `two-seas` has no program for any cloud that"), "{error}");
    project.replace("src/aws.json", "\"gpu_gb\": 0", "\"gpu_gb\": 8");
    let error = same("[clouds.ALI]\nsame_as = \"AWS\"\n");
    assert!(error.contains("`cut` has 8 GB of a GPU; AWS Lambda has none"), "{error}");
}
