//! What Terraform itself makes of the documents, where it is present: it validates them, applies them
//! to a stand-in for AWS on loopback, finds nothing more to do, and destroys what it made.

use std::{
    env, fs,
    io::{self, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use crate::harness::Project;

/// In folders of these Terraform looks for providers by itself, and images put them.
const AROUND_MIRRORS: [&str; 3] = ["/usr/share/terraform", "/usr/local/share/terraform", "/opt"];
/// The provider in a mirror.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";
/// How often a server is asked whether it is there, 50 ms apart.
const LOOKS: u32 = 400;

/// Terraform in a folder, with a provider from a mirror and the stand-in's address.
struct Terraform {
    program: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    endpoint: String,
}

impl Terraform {
    /// For what is built for AWS, and nowhere to go yet.
    fn of(project: &Project, program: PathBuf, mirror: &Path) -> Self {
        let config = project.path("terraform.rc");
        let text = format!("provider_installation {{\n  filesystem_mirror {{ path = {mirror:?} }}\n}}\n");
        fs::write(&config, text).expect("it can be written");
        let folder = project.path("target/jointlambda/two-seas/aws");
        Terraform { program, folder, config, endpoint: String::new() }
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.arg(format!("-chdir={}", self.folder.display())).args(args).arg("-no-color");
        command
            .env("TF_CLI_CONFIG_FILE", &self.config)
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1");
        command.env("AWS_ENDPOINT_URL", &self.endpoint);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
        command.output().expect("it starts")
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "terraform {args:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }
}

/// The first of `folders` in which `name` is a file.
fn find(folders: impl IntoIterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn on_path(name: &str) -> Option<PathBuf> {
    find(env::split_paths(&env::var_os("PATH").unwrap_or_default()), name)
}

/// What the test needs, or why it goes without.
fn present() -> Result<(PathBuf, PathBuf), String> {
    let terraform = on_path("terraform").ok_or("terraform is not installed")?;
    let named = env::var_os("TERRAFORM_MIRROR").map(PathBuf::from);
    let around = AROUND_MIRRORS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut mirrors = named.into_iter().chain(around.map(|entry| entry.path()));
    let mirror = mirrors.find(|mirror| mirror.join(PROVIDER).is_dir());
    let mirror = mirror.ok_or("no folder with the provider hashicorp/aws; TERRAFORM_MIRROR may name one")?;
    Ok((terraform, mirror))
}

/// The stand-in, stopped when it is dropped.
struct Ministack {
    child: Child,
    endpoint: String,
}

impl Ministack {
    /// Starts it, if it is installed: on the PATH, or where `tests/cloud/install` puts it.
    fn start(state: &Path) -> Result<Self, String> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/cloud/python/bin");
        let program = find([target], "ministack").or_else(|| on_path("ministack"));
        let program = program.ok_or("ministack is not installed (pip install ministack)")?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        drop(listener);
        let endpoint = format!("http://{address}");
        let log = fs::File::create(state.join("ministack.log")).map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.env("GATEWAY_PORT", address.port().to_string()).env("BIND_HOST", "127.0.0.1");
        command.env("MINISTACK_HOST", "127.0.0.1").env("AWS_ENDPOINT_URL", &endpoint);
        command.env("STATE_DIR", state.join("state")).env("S3_DATA_DIR", state.join("s3"));
        command.stdin(Stdio::null()).stderr(log.try_clone().map_err(|error| error.to_string())?).stdout(log);
        let child = command.spawn().map_err(|error| error.to_string())?;
        let mut ministack = Ministack { child, endpoint };
        for _ in 0..LOOKS {
            if TcpStream::connect(address).is_ok() {
                return Ok(ministack);
            }
            assert!(
                ministack.child.try_wait().is_ok_and(|status| status.is_none()),
                "ministack ended at once"
            );
            thread::sleep(Duration::from_millis(50));
        }
        panic!("ministack does not listen on {address}");
    }
}

impl Drop for Ministack {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says a line that is seen of a test that passes, too.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[test]
fn terraform_takes_a_table_beside_an_earlier_one() {
    let project = Project::new();
    let (program, mirror) = match present() {
        Ok(present) => present,
        Err(why) => return say(&format!("Terraform is left out: {why}")),
    };
    project.build(&["--bucket", "AWS=first-bucket"]);
    let settings = "target/jointlambda/two-seas/jointlambda.toml";
    project.replace(settings, "table = \"two-seas\"", "table = \"moved\"");
    project.replace(settings, "first-bucket", "second-bucket");
    project.redeploy();
    project.build(&[]);
    let terraform = Terraform::of(&project, program, &mirror);
    terraform.ok(&["init", "-input=false"]);
    terraform.ok(&["validate"]);
}

#[test]
fn terraform_applies_plans_nothing_more_and_destroys() {
    let project = Project::new();
    let (program, mirror) = match present() {
        Ok(present) => present,
        Err(why) => return say(&format!("Terraform is left out, the schema must do: {why}")),
    };
    let (ali, aws) =
        (r#""provider": "aliyun", "region": "cn-hongkong""#, r#""provider": "aws", "region": "us-east-1""#);
    project.replace("src/aws.json", ali, aws);
    project.build(&[]);
    let mut terraform = Terraform::of(&project, program, &mirror);
    terraform.ok(&["init", "-input=false"]);
    terraform.ok(&["validate"]);

    let ministack = match Ministack::start(&project.path("")) {
        Ok(ministack) => ministack,
        Err(why) => return say(&format!("Terraform validates and applies nothing: {why}")),
    };
    terraform.endpoint.clone_from(&ministack.endpoint);
    let keep = "-var=keep_data=false";
    terraform.ok(&["apply", "-auto-approve", "-input=false", keep]);
    let functions = terraform.ok(&["output", "-json", "functions"]);
    let functions: serde_json::Value = serde_json::from_str(&functions).unwrap();
    assert_eq!(functions["01234567"]["ap-northeast-1"]["join"], "two-seas-01234567-join");
    assert_eq!(functions["01234567"]["us-east-1"]["cut"], "two-seas-01234567-cut");
    let nothing_to_do = |terraform: &Terraform| {
        let plan = terraform.run(&["plan", "-detailed-exitcode", "-input=false", keep]);
        assert_eq!(
            plan.status.code(),
            Some(0),
            "a second plan is empty: {}",
            String::from_utf8_lossy(&plan.stdout)
        );
    };
    nothing_to_do(&terraform);

    // Another definition is added beside the first; pruned, the first one goes.
    project.redefine();
    project.build(&[]);
    terraform.ok(&["get"]);
    let applied = terraform.ok(&["apply", "-auto-approve", "-input=false", keep]);
    assert!(applied.contains(" added, 0 changed, 0 destroyed."), "{applied}");
    project.build(&["--prune"]);
    terraform.ok(&["get"]);
    let applied = terraform.ok(&["apply", "-auto-approve", "-input=false", keep]);
    assert!(applied.contains("Resources: 0 added, 0 changed, "), "{applied}");
    let state = terraform.ok(&["state", "list"]);
    assert!(state.contains("12345678") && !state.contains("01234567"), "{state}");
    nothing_to_do(&terraform);
    terraform.ok(&["destroy", "-auto-approve", "-input=false", keep]);
    assert_eq!(terraform.ok(&["state", "list"]).trim(), "");
}
