//! `build` and `describe` where all is well.

use std::{fs, io::Read as _};

use serde_json::json;

use crate::harness::{Project, files};

const OUT: &str = "target/jointlambda/two-seas";

#[test]
fn describe_says_what_would_be_deployed() {
    let project = Project::new();
    let text = project.run(&["describe", "--profile", "dev"]).ok();
    assert!(
        text.starts_with(
            "two-seas, deployment 0123456789abcdef, definition fedcba9876543210, jointlambda 0.1.0\n"
        ),
        "{text}"
    );
    assert!(text.contains("join       AWS    two-seas-01234567-join     2048 MB  120 s"), "{text}");
    assert!(text.contains("cut        AWS    two-seas-01234567-cut      512 MB   60 s     ALI\n"), "{text}");
    assert!(text.contains("(sweeper)  AWS    two-seas-01234567-sweeper  256 MB"), "{text}");
    assert!(text.contains("AWS    aws       ap-northeast-1  two-seas  two-seas-"), "{text}");
    assert!(text.contains("note: nothing is deployed on ALI"), "{text}");

    let json = project.run(&["describe", "--profile", "dev", "--json"]).json();
    assert_eq!(json["deployment"], "0123456789abcdef");
    assert_eq!(json["definition"], "fedcba9876543210");
    assert_eq!(json["functions"][0]["name"], "two-seas-01234567-cut");
    assert_eq!(json["functions"][0]["failover"], json!(["ALI"]));
    assert_eq!(json["stores"][0]["object_days"], 16);
    assert_eq!(json["programs"][0]["architecture"], std::env::consts::ARCH.replace("aarch64", "arm64"));
    assert!(!project.path(OUT).exists(), "describing writes nothing");

    let other = project.run(&["describe", "--profile", "dev", "--cloud", "ALI", "--json"]).json();
    assert_eq!(other["functions"], json!([]));
    assert_eq!(other["stores"], json!([]));
}

#[test]
fn build_writes_a_zip_with_the_program_and_a_module() {
    let project = Project::new();
    let report = project.build(&[]);
    assert_eq!(report["dry_run"], false);
    let paths: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    let expected = [
        "aws/01234567/bootstrap.zip",
        "aws/01234567/deployment.json",
        "aws/01234567/main.tf.json",
        "aws/main.tf.json",
        "aws/store/main.tf.json",
        "jointlambda.toml",
    ];
    assert_eq!(paths, expected);

    let zip = fs::File::open(project.path(OUT).join("aws/01234567/bootstrap.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(zip).unwrap();
    let mut program = Vec::new();
    archive.by_name("bootstrap").unwrap().read_to_end(&mut program).unwrap();
    assert_eq!(program, fs::read(project.path("target/debug/two-seas-aws")).unwrap());
    assert_eq!(report["programs"][0]["bytes"], program.len());

    let module = project.json("aws/01234567/main.tf.json");
    let join = &module["resource"]["aws_lambda_function"]["join"];
    assert_eq!(join["memory_size"], 2048);
    assert_eq!(join["timeout"], 120);
    let settings = fs::read_to_string(project.path(OUT).join("jointlambda.toml")).unwrap();
    assert!(
        settings.contains("[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\n"),
        "{settings}"
    );
    assert_eq!(module["locals"]["environment"]["join"]["JOINTLAMBDA_TABLE"], "two-seas");
}

#[test]
fn the_same_project_makes_the_same_files() {
    let project = Project::new();
    project.build(&[]);
    let first = files(&project.path(OUT));
    let again = project.build(&[]);
    assert!(again["files"].as_array().unwrap().iter().all(|file| file["action"] == "keep"), "{again}");
    assert_eq!(files(&project.path(OUT)), first);
    // Elsewhere, and later.
    project.build(&["--out", "elsewhere"]);
    let relative = |folder: &str, files: Vec<(std::path::PathBuf, Vec<u8>)>| -> Vec<_> {
        let folder = project.path(folder);
        files
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(&folder).unwrap().to_owned(), bytes))
            .collect()
    };
    assert_eq!(relative("elsewhere", files(&project.path("elsewhere"))), relative(OUT, first));
}

#[test]
fn a_dry_run_tells_all_and_does_nothing() {
    let project = Project::new();
    let absent = project.run(&["build", "--profile", "dev", "--dry-run"]).ok();
    assert!(
        absent.contains("would run `cargo build --profile dev --package two-seas --bin two-seas-aws`"),
        "{absent}"
    );
    assert!(absent.contains("`two-seas-aws` is not compiled yet"), "{absent}");
    assert!(!project.path("target").exists());

    project.run(&["describe", "--profile", "dev"]).ok();
    let before = files(project.path("").as_path());
    let dry = project.build(&["--dry-run"]);
    assert_eq!(files(project.path("").as_path()), before);
    assert_eq!(dry["programs"][0]["state"], "current");
    let mut done = project.build(&[]);
    done["dry_run"] = true.into();
    assert_eq!(dry, done, "what is done is what was told");

    let text = project.run(&["build", "--profile", "dev", "--dry-run"]).ok();
    assert!(text.contains("would keep  aws/main.tf.json"), "{text}");
    project.redefine();
    let outdated = project.build(&["--dry-run"]);
    assert_eq!(outdated["programs"][0]["state"], "outdated");
    assert!(outdated["notes"][0].as_str().unwrap().contains("is older than its sources"), "{outdated}");
}

#[test]
fn deployments_stay_until_they_are_pruned() {
    let project = Project::new();
    project.build(&[]);
    project.redefine();
    let report = project.build(&[]);
    assert!(report["notes"].to_string().contains("earlier deployments stay"), "{report}");
    let modules = |project: &Project| {
        let root = project.json("aws/main.tf.json");
        root["module"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let (old, new) = ("functions-01234567-ap-northeast-1", "functions-12345678-ap-northeast-1");
    assert_eq!(modules(&project), [old, new, "store-ap-northeast-1"]);

    let dry = project.build(&["--prune", "--dry-run"]);
    assert!(project.path(OUT).join("aws/01234567/bootstrap.zip").exists());
    let pruned = project.build(&["--prune"]);
    assert_eq!(dry["files"], pruned["files"]);
    let removed =
        pruned["files"].as_array().unwrap().iter().filter(|file| file["action"] == "remove").count();
    assert_eq!(removed, 3);
    assert_eq!(modules(&project), [new, "store-ap-northeast-1"]);
    assert!(!project.path(OUT).join("aws/01234567").exists());
}

#[test]
fn a_deployment_that_is_replaced_in_place_is_told_of() {
    let project = Project::new();
    let says = |project: &Project| project.build(&[])["notes"].to_string().contains("is replaced in place");
    assert!(!says(&project), "it is the first");
    assert!(!says(&project), "it is the same");
    project.replace("src/bin/two-seas-aws.rs", "fn main() {", "fn main() {\n    std::hint::black_box(1);");
    let dry = project.build(&["--dry-run"])["notes"].to_string();
    assert!(!dry.contains("is replaced in place"), "nothing is compiled: {dry}");
    assert!(says(&project));
    assert!(!says(&project), "it was");
    project.redefine();
    assert!(!says(&project), "another one is beside it");
}

#[test]
fn a_table_moves_beside_the_old_one() {
    let project = Project::new();
    project.build(&["--bucket", "AWS=first-bucket"]);
    let settings = format!("{OUT}/jointlambda.toml");
    project.replace(&settings, "table = \"two-seas\"", "table = \"moved\"");
    project.redeploy();
    let refused = project.run(&["build", "--profile", "dev"]);
    let error = refused.error();
    assert!(
        error.contains(
            "uses the bucket `first-bucket`, which is part of the store of the earlier deployment 01234567"
        ),
        "{error}"
    );
    project.replace(&settings, "first-bucket", "second-bucket");
    fs::copy(project.path(&settings), project.path("src/jointlambda.toml")).unwrap();
    let described = project.run(&["describe", "--profile", "dev", "--out", "src", "--json"]).json();
    assert_eq!(described["stores"][0]["bucket"], "second-bucket");
    fs::remove_file(project.path("src/jointlambda.toml")).unwrap();
    let moved = project.build(&[]);
    let note = "run rows move from the table `two-seas` (aws, ap-northeast-1) to `moved` (aws, ap-northeast-1), \
                where every key is free: jointlambda.toml names the old table as `moved_from`";
    assert!(moved["notes"].to_string().contains(note), "{moved}");
    let text = fs::read_to_string(project.path(&settings)).unwrap();
    let end = "[[moved_from]]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"two-seas\"\n";
    assert!(text.ends_with(end) && text.contains("16 days after the last of them was started"), "{text}");
    let root = project.json("aws/main.tf.json");
    let [old, new] =
        ["store-ap-northeast-1", "store-ap-northeast-1-12345678"].map(|name| &root["module"][name]);
    assert_eq!((&old["table"], &old["bucket"]), (&json!("two-seas"), &json!("first-bucket")));
    assert_eq!((&new["table"], &new["bucket"]), (&json!("moved"), &json!("second-bucket")));
    let reads =
        |deployment: &str| &root["module"][format!("functions-{deployment}-ap-northeast-1")]["table_arns"];
    assert_eq!(reads("01234567"), &json!(["${module.store-ap-northeast-1.table_arn}"]));
    assert_eq!(reads("12345678"), &json!(["${module.store-ap-northeast-1-12345678.table_arn}"]));
    let again = project.build(&[]);
    assert!(again["files"].as_array().unwrap().iter().all(|file| file["action"] == "keep"), "{again}");
    assert!(!again["notes"].to_string().contains("run rows move"), "it is said once: {again}");
    // Pruned, the new one stays what it is called: another name would be another table.
    let pruned = project.build(&["--prune"])["notes"].to_string();
    let note = "names the table `two-seas` (aws, ap-northeast-1), which no deployment has any more";
    assert!(pruned.contains(note), "{pruned}");
    let root = project.json("aws/main.tf.json");
    let modules: Vec<_> = root["module"].as_object().unwrap().keys().collect();
    assert_eq!(modules, ["functions-12345678-ap-northeast-1", "store-ap-northeast-1-12345678"]);
}

#[test]
fn run_rows_move_to_another_provider_and_back() {
    let project = Project::new();
    project.build(&[]);
    let settings = format!("{OUT}/jointlambda.toml");
    let redeploy = |from: &str, to: &str| {
        for (from, to) in [(from, to), (&from[..8], &to[..8])] {
            project.replace("src/aws.json", from, to);
        }
    };
    // `home` is another cloud, whose table no program of the package deploys.
    project.replace("src/aws.json", "\"home\": 0", "\"home\": 1");
    redeploy("0123456789abcdef", "123456789abcdef0");
    let note = project.build(&[])["notes"].to_string();
    assert!(note.contains("run rows move from the table `two-seas` (aws, ap-northeast-1) to `jl-"), "{note}");
    let count = || fs::read_to_string(project.path(&settings)).unwrap().matches("[[moved_from]]").count();
    assert_eq!(count(), 1);
    // That cloud is another one from now on: the run rows are back, though by another name.
    let text = fs::read_to_string(project.path(&settings)).unwrap();
    let (start, rest) = (text.find("[clouds.ALI]").unwrap(), text.find("\n# Runs").unwrap());
    project
        .write(&settings, &format!("{}[clouds.ALI]\nsame_as = \"AWS\"\n{}", &text[..start], &text[rest..]));
    redeploy("123456789abcdef0", "23456789abcdef01");
    let note = project.build(&[])["notes"].to_string();
    assert!(note.contains("` (aliyun, cn-hongkong) to `two-seas` (aws, ap-northeast-1)"), "{note}");
    assert_eq!(count(), 2);
    let entry = project.json("aws/23456789/deployment.json");
    let home = json!({ "provider": "aws", "region": "ap-northeast-1", "table": "two-seas" });
    assert_eq!(entry["home"], home);
}

#[test]
fn rows_stay_as_long_as_an_earlier_deployment_needs_them() {
    let project = Project::with_aliyun();
    let days = |retention_s: &str, args: &[&str]| {
        for of in ["aws", "aliyun"] {
            let path = format!("src/{of}.json");
            let text = fs::read_to_string(project.path(&path)).unwrap();
            let start = text.find("\"retention_s\": ").unwrap() + "\"retention_s\": ".len();
            let end = start + text[start..].find(' ').unwrap();
            project.write(&path, &format!("{}{retention_s}{}", &text[..start], &text[end..]));
        }
        let report = project.build(args);
        let store = project.json("aliyun/main.tf.json")["module"]["store-cn-hongkong"].clone();
        let aws = project.json("aws/main.tf.json")["module"]["store-ap-northeast-1"].clone();
        assert_eq!(store["object_days"], aws["object_days"]);
        assert_eq!(store["row_seconds"], store["object_days"].as_u64().unwrap() * 24 * 3600);
        let note = "what is stored in cn-hongkong stays 16 days, as an earlier build has it, and not 2";
        (store["object_days"].as_u64().unwrap(), report["notes"].to_string().contains(note))
    };
    assert_eq!(days("691200", &[]), (16, false));
    assert_eq!(days("86400", &[]), (16, true), "the same deployment, whose runs may be in flight");
    assert_eq!(days("86400", &[]), (16, true), "it is not forgotten");
    for of in ["aws", "aliyun"] {
        project.replace(&format!("src/{of}.json"), "0123456789abcdef", "123456789abcdef0");
    }
    assert_eq!(days("86400", &[]), (16, true), "another deployment, beside that one");
    assert_eq!(days("1728000", &[]), (40, false), "it may be raised");
    assert_eq!(days("86400", &["--prune"]), (2, false));
}

#[test]
fn two_regions_have_a_provider_and_a_module_each() {
    let project = Project::new();
    project.replace(
        "src/aws.json",
        r#""provider": "aliyun", "region": "cn-hongkong""#,
        r#""provider": "aws", "region": "us-east-1""#,
    );
    let report = project.build(&["--bucket", "AWS=asia", "--bucket", "ALI=america"]);
    assert_eq!(report["stores"][1]["bucket"], "america");
    let root = project.json("aws/main.tf.json");
    assert_eq!(root["provider"]["aws"].as_array().unwrap().len(), 2);
    assert_eq!(root["module"]["store-us-east-1"]["bucket"], "america");
    let west = project.json("aws/01234567/us-east-1/main.tf.json");
    let functions: Vec<_> = west["resource"]["aws_lambda_function"].as_object().unwrap().keys().collect();
    assert_eq!(functions, ["cut", "sweeper"]);
    assert_eq!(west["resource"]["aws_lambda_function"]["cut"]["filename"], "${path.module}/../bootstrap.zip");
    let east = project.json("aws/01234567/ap-northeast-1/main.tf.json");
    let others = east["locals"]["environment"]["cut"]["JOINTLAMBDA_CLOUDS"].as_str().unwrap();
    assert!(others.contains(r#""region":"us-east-1""#), "{others}");
}

#[test]
fn settings_of_the_package_are_used_and_kept() {
    let project = Project::new();
    let mine = "# mine\n[clouds.AWS]\nprovider = \"aws\"\nregion = \"ap-northeast-1\"\ntable = \"my-table\"\nbucket = \"my-bucket\"\n";
    project.write("jointlambda.toml", mine);
    let report = project.build(&[]);
    assert_eq!(report["stores"][0]["bucket"], "my-bucket");
    assert_eq!(fs::read_to_string(project.path("jointlambda.toml")).unwrap(), mine);
    // What the user changes in the written file stays as well.
    let path = format!("{OUT}/jointlambda.toml");
    project.replace(&path, "my-table", "other-table");
    let report = project.build(&[]);
    assert_eq!(report["stores"][0]["table"], "other-table");
}

#[test]
fn settings_that_are_in_the_output_folder_are_added_to() {
    let project = Project::new();
    project.write(&format!("{OUT}/jointlambda.toml"), ONE_ACCOUNT);
    let report = project.build(&[]);
    let settings = fs::read_to_string(project.path(OUT).join("jointlambda.toml")).unwrap();
    assert!(settings.starts_with(ONE_ACCOUNT) && settings.contains("[clouds.AWS]\n"), "{settings}");
    assert!(report["notes"].to_string().contains("the cloud `ALI` is the same as `AWS`"), "{report}");
    let all = project.build(&[]);
    let kept = all["files"].as_array().unwrap().iter().all(|file| file["action"] == "keep");
    assert!(kept, "nothing is left to do: {all}");
}

/// Only an account on AWS.
const ONE_ACCOUNT: &str = "[clouds.ALI]\nsame_as = \"AWS\"\n";

#[test]
fn one_account_is_enough_for_two_clouds() {
    // A program for the other platform is neither needed nor asked whether it could run there.
    let project = Project::with_aliyun();
    fs::remove_file(project.path(".cargo/config.toml")).unwrap();
    let only_there = r#""name": "two-seas-01234567-join", "memory_mb": 2048, "timeout_s": 120, "gpu_gb": 0, "cpu_milli": 0, "clouds": ["AWS"]"#;
    project.replace("src/aws.json", only_there, &only_there.replace("AWS", "ALI"));
    project.write("jointlambda.toml", ONE_ACCOUNT);
    let report = project.build(&[]);
    let placed: Vec<_> = report["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|function| (&function["function"], &function["cloud"], &function["failover"]))
        .map(|(function, cloud, failover)| json!([function, cloud, failover]))
        .collect();
    assert_eq!(placed, [json!(["cut", "AWS", []]), json!(["join", "AWS", []])]);
    assert_eq!(report["stores"].as_array().unwrap().len(), 1);
    assert!(report["notes"].to_string().contains("the cloud `ALI` is the same as `AWS`"), "{report}");
    let paths: Vec<_> =
        report["files"].as_array().unwrap().iter().filter_map(|file| file["path"].as_str()).collect();
    assert!(paths.iter().all(|path| !path.starts_with("aliyun")), "{paths:?}");
    let module = project.json("aws/01234567/main.tf.json");
    let environment = &module["locals"]["environment"]["join"];
    assert_eq!(environment["JOINTLAMBDA_CLOUD"], "AWS");
    assert_eq!(environment["JOINTLAMBDA_CLOUDS"], r#"{"ALI":{"same_as":"AWS"}}"#);
    let settings = fs::read_to_string(project.path(OUT).join("jointlambda.toml")).unwrap();
    assert!(settings.starts_with(ONE_ACCOUNT) && settings.contains("[clouds.AWS]\n"), "{settings}");
    assert!(!project.path(OUT).join("aliyun").exists());
    let text = project.run(&["describe", "--profile", "dev"]).ok();
    assert!(text.contains("note: the cloud `ALI` is the same as `AWS`"), "{text}");
    assert!(!text.contains("nothing is deployed on"), "{text}");
}

#[test]
fn features_that_a_program_requires_are_passed_by_themselves() {
    let project = Project::new();
    project.replace(
        "Cargo.toml",
        "[package]",
        "[features]\naws = []\n[[bin]]\nname = \"two-seas-aws\"\npath = \"src/bin/two-seas-aws.rs\"\n\
         required-features = [\"aws\"]\n[package]",
    );
    let report = project.build(&[]);
    let command = report["programs"][0]["command"].as_str().unwrap();
    assert!(command.ends_with("--bin two-seas-aws --features aws"), "{command}");
    let given = project.build(&["--features", "aws", "--dry-run"]);
    assert_eq!(given["programs"][0]["command"], command);
}

#[test]
fn what_is_compiled_already_is_packaged_as_it_is() {
    let project = Project::new();
    let ran = project.run(&["build", "--profile", "dev", "--compiled"]);
    let error = ran.error();
    assert!(
        error.contains("`two-seas-aws` is not compiled\nhint: run `cargo build --profile dev "),
        "{error}"
    );
    assert!(!project.path("target").exists());
    project.run(&["describe", "--profile", "dev"]).ok();
    let program = fs::metadata(project.path("target/debug/two-seas-aws")).unwrap().modified().unwrap();
    let report = project.build(&["--compiled"]);
    assert_eq!(report["files"][0]["path"], "aws/01234567/bootstrap.zip");
    project.redefine();
    let report = project.build(&["--compiled"]);
    assert!(report["notes"][0].as_str().unwrap().contains("is older than its sources"), "{report}");
    assert_eq!(fs::metadata(project.path("target/debug/two-seas-aws")).unwrap().modified().unwrap(), program);
}
