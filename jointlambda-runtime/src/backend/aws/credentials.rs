//! Where credentials come from: the environment; or else, for people, the keys of a profile in the files
//! that the AWS CLI writes. Nothing is asked for them, and a deployed function reads no file: on Lambda
//! the environment has those of its role.
//!
//! What has to be asked for (single sign-on, roles, containers, processes) the AWS CLI can put into the
//! environment, and the error says how.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::Credentials;
use crate::deployment::SettingsError;

/// Of the environment.
const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
const PROFILE: &str = "AWS_PROFILE";
/// Set on Lambda alone.
const ON_LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";
/// The files, with the variables that may name others.
const FILES: [(&str, &str); 2] =
    [("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials"), ("AWS_CONFIG_FILE", ".aws/config")];
/// What a profile has whose keys have to be asked for.
const ASKED_FOR: [&str; 6] = [
    "sso_session",
    "sso_start_url",
    "role_arn",
    "credential_process",
    "web_identity_token_file",
    "credential_source",
];
/// What the environment has where a container is given keys.
const OF_CONTAINER: [&str; 2] =
    ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// The credentials for the cloud that the workflow calls `cloud`.
pub(super) fn find(cloud: &str) -> Result<Credentials, SettingsError> {
    look(cloud, |name| env::var(name).ok(), |path| fs::read_to_string(path).ok())
}

fn look(
    cloud: &str,
    variable: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> Option<String>,
) -> Result<Credentials, SettingsError> {
    let get = |name: &str| variable(name).filter(|value| !value.is_empty());
    let (id, secret) = (get(ID), get(SECRET));
    if let (Some(access_key_id), Some(secret_access_key)) = (&id, &secret) {
        let (access_key_id, secret_access_key) = (access_key_id.clone(), secret_access_key.clone());
        return Ok(Credentials { access_key_id, secret_access_key, session_token: get(TOKEN) });
    }
    let none = |why: String, hint: String| Err(SettingsError::NoKeys { cloud: cloud.to_owned(), why, hint });
    let export = |profile: Option<&str>| {
        let profile = profile.map(|name| format!("--profile {name} ")).unwrap_or_default();
        format!("run: eval \"$(aws configure export-credentials {profile}--format env)\"")
    };
    let missing = if id.is_none() { ID } else { SECRET };
    if id.is_some() || secret.is_some() || get(ON_LAMBDA).is_some() {
        return none(format!("{missing} is not set"), "set both variables, or neither".to_owned());
    }
    let chosen = get(PROFILE);
    let profile = chosen.as_deref().unwrap_or("default");
    let home = get("HOME").map(PathBuf::from).unwrap_or_default();
    let paths = FILES.map(|(name, usual)| get(name).map_or_else(|| home.join(usual), PathBuf::from));
    let sections = paths.iter().filter_map(|path| read(path)).map(|text| section(&text, profile));
    let all: Vec<(String, String)> = sections.flatten().flatten().collect();
    let value = |name: &str| all.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if let (Some(access_key_id), Some(secret_access_key)) =
        (value("aws_access_key_id"), value("aws_secret_access_key"))
    {
        return Ok(Credentials {
            access_key_id,
            secret_access_key,
            session_token: value("aws_session_token"),
        });
    }
    if let Some(key) = ASKED_FOR.iter().find(|key| value(key).is_some()) {
        return none(format!("the profile `{profile}` gets them by `{key}`"), export(Some(profile)));
    }
    if OF_CONTAINER.iter().any(|name| get(name).is_some()) {
        return none(
            format!("{ID} is not set, and those of the container have to be asked for"),
            export(None),
        );
    }
    let places = paths.map(|path| path.display().to_string()).join(" and ");
    match chosen {
        Some(profile) => none(
            format!("{places} have no keys of the profile `{profile}`"),
            format!("set {PROFILE} to another, or run `aws configure --profile {profile}`"),
        ),
        None => none(
            format!("{ID} is not set, and {places} have no keys of the profile `default`"),
            format!("set {PROFILE}, or run `aws configure`"),
        ),
    }
}

/// What a file says of a profile: keys with their values. `None`, if it does not have it.
fn section(text: &str, profile: &str) -> Option<Vec<(String, String)>> {
    let (mut found, mut is_in) = (None, false);
    for line in text.lines() {
        // What is indented belongs to the key before it.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(name) = line.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            is_in = name.strip_prefix("profile ").map_or(name, str::trim) == profile;
            if is_in {
                found.get_or_insert_with(Vec::new);
            }
        } else if let (true, Some((key, value))) = (is_in, line.split_once('='))
            && let Some(found) = &mut found
        {
            let value = value.trim();
            if !value.is_empty() {
                found.push((key.trim().to_ascii_lowercase(), value.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "# mine\n[default]\naws_access_key_id = ONE\naws_secret_access_key=first secret\n\n\
                        [work]\naws_access_key_id = TWO\naws_secret_access_key = second=\naws_session_token = token\n";
    const CONFIG: &str = "[default]\nregion = us-east-1\n[profile login]\nsso_session = mine\nregion = us-east-1\n\
                          [sso-session mine]\nsso_start_url = https://example.com\n[profile none]\ns3 =\n  key = 1\n";

    /// What is found with these variables and files.
    fn with(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Result<[String; 3], String> {
        let of = |all: &[(&str, &str)], name: &str| {
            all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let variable =
            |name: &str| of(variables, name).or_else(|| (name == "HOME").then(|| "/home/me".to_owned()));
        let found = look("AWS", variable, |path| of(files, path.to_str().unwrap()));
        let shown = |found: Credentials| {
            [found.access_key_id, found.secret_access_key, found.session_token.unwrap_or_default()]
        };
        found.map(shown).map_err(|error| error.to_string())
    }

    const FILES: [(&str, &str); 2] = [("/home/me/.aws/credentials", KEYS), ("/home/me/.aws/config", CONFIG)];

    #[test]
    fn the_environment_comes_first() {
        let own = [(ID, "id"), (SECRET, "secret"), (PROFILE, "work")];
        assert_eq!(with(&own, &FILES).unwrap(), ["id", "secret", ""]);
        let half = with(&own[..1], &FILES).unwrap_err();
        assert_eq!(
            half,
            "no credentials for the cloud `AWS`: AWS_SECRET_ACCESS_KEY is not set; set both variables, or neither"
        );
    }

    #[test]
    fn a_profile_has_its_keys_in_a_file() {
        assert_eq!(with(&[], &FILES).unwrap(), ["ONE", "first secret", ""]);
        assert_eq!(with(&[(PROFILE, "work")], &FILES).unwrap(), ["TWO", "second=", "token"]);
        let elsewhere = [("/keys", KEYS)];
        let named = [("AWS_SHARED_CREDENTIALS_FILE", "/keys"), (PROFILE, "work")];
        assert_eq!(with(&named, &elsewhere).unwrap()[0], "TWO");
        let in_config =
            [("/home/me/.aws/config", "[profile work]\naws_access_key_id=A\naws_secret_access_key=B\n")];
        assert_eq!(with(&[(PROFILE, "work")], &in_config).unwrap(), ["A", "B", ""]);
    }

    #[test]
    fn what_has_to_be_asked_for_is_said_in_one_line_with_what_to_do() {
        assert_eq!(
            with(&[(PROFILE, "login")], &FILES).unwrap_err(),
            "no credentials for the cloud `AWS`: the profile `login` gets them by `sso_session`; \
             run: eval \"$(aws configure export-credentials --profile login --format env)\""
        );
        let container = with(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1")], &[]).unwrap_err();
        assert!(
            container.ends_with("run: eval \"$(aws configure export-credentials --format env)\""),
            "{container}"
        );
        let unknown = with(&[(PROFILE, "none")], &FILES).unwrap_err();
        assert!(
            unknown.contains("have no keys of the profile `none`; set AWS_PROFILE to another"),
            "{unknown}"
        );
        let nothing = with(&[], &[]).unwrap_err();
        assert_eq!(
            nothing,
            "no credentials for the cloud `AWS`: AWS_ACCESS_KEY_ID is not set, and /home/me/.aws/credentials \
             and /home/me/.aws/config have no keys of the profile `default`; set AWS_PROFILE, or run `aws configure`"
        );
        assert!([unknown, nothing].iter().all(|why| !why.contains('\n') && !why.contains("secret=")));
    }

    #[test]
    fn a_deployed_function_reads_no_file() {
        let variable = |name: &str| (name == ON_LAMBDA).then(|| "127.0.0.1:9001".to_owned());
        let found = look("AWS", variable, |path| panic!("{} is read", path.display()));
        assert!(found.unwrap_err().to_string().contains("AWS_ACCESS_KEY_ID is not set"));
        let given = |name: &str| [ID, SECRET, ON_LAMBDA].contains(&name).then(|| "x".to_owned());
        assert!(look("AWS", given, |path| panic!("{} is read", path.display())).is_ok());
    }
}
