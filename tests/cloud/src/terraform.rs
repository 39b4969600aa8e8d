//! Terraform, where it is present, with its provider for AWS from a folder of this machine.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// In folders of these Terraform looks for providers by itself, and images put them.
const AROUND_MIRRORS: [&str; 3] = ["/usr/share/terraform", "/usr/local/share/terraform", "/opt"];
/// The provider in a mirror.
const PROVIDER: &str = "registry.terraform.io/hashicorp/aws";

/// Where Terraform and its provider are.
#[derive(Clone, Debug)]
pub struct Terraform {
    program: PathBuf,
    mirror: PathBuf,
}

/// Terraform in the folder of a root module, on a stand-in.
#[derive(Clone, Debug)]
pub struct Root {
    program: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    url: String,
}

impl Terraform {
    /// Finds it.
    ///
    /// # Errors
    /// What is missing.
    pub fn find() -> Result<Self, String> {
        let on_path = env::var_os("PATH").unwrap_or_default();
        let mut programs = env::split_paths(&on_path).map(|folder| folder.join("terraform"));
        let program = programs.find(|path| path.is_file()).ok_or("terraform is not installed")?;
        let named = env::var_os("TERRAFORM_MIRROR").map(PathBuf::from);
        let around = AROUND_MIRRORS.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        let mut mirrors = named.into_iter().chain(around.map(|entry| entry.path()));
        let mirror = mirrors.find(|mirror| mirror.join(PROVIDER).is_dir());
        let mirror =
            mirror.ok_or("no folder with the provider hashicorp/aws; TERRAFORM_MIRROR may name one")?;
        Ok(Terraform { program, mirror })
    }

    /// The same in `folder`, with the services of AWS at `url`.
    pub fn root(&self, folder: &Path, url: &str) -> Root {
        let config = folder.join("terraform.rc");
        let mirror = &self.mirror;
        let text = format!("provider_installation {{\n  filesystem_mirror {{ path = {mirror:?} }}\n}}\n");
        fs::write(&config, text).expect("the folder can be written to");
        Root { program: self.program.clone(), folder: folder.to_owned(), config, url: url.to_owned() }
    }
}

impl Root {
    /// Runs a command; nothing is protected from being destroyed.
    pub fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("-chdir={}", self.folder.display()))
            .args(args)
            .args(["-no-color", "-input=false"]);
        command.env("TF_CLI_CONFIG_FILE", &self.config).env("TF_VAR_keep_data", "false");
        command.envs([("TF_IN_AUTOMATION", "1"), ("CHECKPOINT_DISABLE", "1")]);
        command.env("AWS_ENDPOINT_URL", &self.url);
        command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
        command.env_remove("AWS_PROFILE").env_remove("AWS_SESSION_TOKEN");
        command.output().expect("it starts")
    }

    /// Runs a command that succeeds; what it says.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "terraform {args:?}: {out}{err}");
        out.into_owned()
    }
}
