//! The IoT chain and Monte Carlo on two clouds that are 40 ms apart, there and back: AWS as ministack in one
//! network namespace, Alibaba Cloud as the emulator in another, all functions processes. By jointlambda, and
//! by a naive central orchestrator on AWS. Then, where the time of a hop goes that crosses, and what hops cost
//! while Alibaba Cloud's functions are down.
//!
//! Functions do nothing, so a connection that is opened while one runs is not there yet when it has returned.
//! Runs are to be measured on connections that are: Alibaba Cloud's instances are not stopped between
//! requests, unless with `--freeze`.
//!
//! This one program is also every function that is deployed, and all else that there is to start.

mod failover;
#[path = "../../orchestrator.rs"]
mod orchestrator;
mod place;
#[path = "../../points.rs"]
mod points;
#[path = "../../shapes.rs"]
mod shapes;
mod tables;
mod wan;

use std::{env, io, path::Path, process::ExitCode, sync::Arc, time::Duration};

use aliyun_emulator::{
    Options,
    fault::{Action, Answer, Rule, Service},
};
use jointlambda::{
    Client, Workflow,
    backend::{
        Backend, Handler,
        aliyun::{self, AccessKey, Endpoints},
        aws,
    },
    deployment::{FUNCTION, Names, backends, from_environment, from_toml},
};
use jointlambda_cloud_tests::{Account, AliyunAccount, BUCKET, Standin};
use orchestrator::Central;
use place::Other;
use serde_json::{Value, json};
use shapes::Shapes;

/// Half a round trip.
const ONE_WAY: Duration = Duration::from_millis(20);
/// Where both clouds are.
const REGION: &str = "ap-northeast-1";
/// The table of rows on AWS.
const TABLE: &str = "rows";
/// What the other side is told: to have its functions down, or up again; and what it says when that is so.
const DOWN: &str = "down";
const UP: &str = "up";
const DONE: &str = "done";
/// The argument with which instances on Alibaba Cloud are stopped between requests.
const FREEZE: &str = "--freeze";
/// The variable that tells a function that it is the orchestrator's.
const IS_CENTRAL: &str = "BENCH_IS_CENTRAL";

mod others {
    //! What the functions of the orchestrator are called, and where they are. None of this runs.

    use jointlambda::prelude::*;

    jointlambda::workflow! {
        const AWS: Cloud = Cloud::aws("ap-northeast-1");
        const ALI: Cloud = Cloud::aliyun("ap-northeast-1");

        #[workflow]
        pub(crate) async fn others(x: u64) -> u64 {
            let x = orchestrator(x).await;
            step(x).await
        }

        #[function(on = AWS)]
        async fn orchestrator(x: u64) -> u64 {
            x
        }

        #[function(on = AWS, failover = [ALI])]
        async fn step(x: u64) -> u64 {
            x
        }
    }
}

use others::Others;

fn main() -> ExitCode {
    if env::var(FUNCTION).is_ok() {
        return function();
    }
    let mut arguments = env::args().skip(1);
    match arguments.next().as_deref() {
        Some(place::RELAY) => relay(arguments.next(), arguments.next()),
        Some(place::OTHER_SIDE) => block_on(other_side()),
        Some(place::INSIDE) => {
            let freezes = arguments.next().as_deref() == Some(FREEZE);
            block_on(async {
                let mut clouds = Clouds::start(freezes).await;
                tables::print(&clouds).await;
                println!();
                failover::print(&mut clouds).await;
            });
        }
        None | Some(FREEZE) => return outside(),
        Some(other) => {
            eprintln!("error: unknown argument `{other}`: give none, or {FREEZE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn outside() -> ExitCode {
    match place::go_inside() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(why) => {
            println!("skipped: two clouds need two network namespaces: {why}");
            ExitCode::SUCCESS
        }
    }
}

fn block_on(what: impl Future<Output = ()>) {
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    threads.expect("a runtime can be made").block_on(what);
}

fn relay(one_way_us: Option<String>, log: Option<String>) {
    let (Some(one_way), Some(log)) = (one_way_us.and_then(|us| us.parse().ok()), log) else {
        panic!("the network is told how long its way is, and where it writes");
    };
    wan::relay(Duration::from_micros(one_way), Path::new(&log)).expect("it passes on what it reads");
}

/// Is a deployed function.
fn function() -> ExitCode {
    points::write_down_if_told();
    let is_on_aws = env::var("JOINTLAMBDA_CLOUD").is_ok_and(|cloud| cloud == "AWS");
    if env::var(IS_CENTRAL).is_err() {
        return if is_on_aws { aws::serve::main::<Shapes>() } else { aliyun::serve::main::<Shapes>() };
    }
    let central = |_| -> Arc<dyn Handler> {
        let definition = Others::definition();
        let (_, settings) = from_environment(definition).expect("it is deployed");
        Arc::new(Central { clouds: backends(definition, &settings).expect("it has credentials") })
    };
    if is_on_aws {
        aws::serve::main_with::<Others>(central)
    } else {
        aliyun::serve::main_with::<Others>(central)
    }
}

/// Is Alibaba Cloud: told where points go and where AWS's services are, it says how it is reached.
async fn other_side() {
    let hear = || {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line.trim_end().to_owned())
    };
    println!("here");
    let told: Value = serde_json::from_str(&hear().expect("it is told")).expect("it is JSON");
    place::join_there();
    let mut options = Options::default();
    options.address = place::SECOND.parse().expect("it is an address");
    options.freeze = told["freezes"] == true;
    let account = AliyunAccount::start_with(REGION, options).await;
    let text = |name: &str| told[name].as_str().expect("it is told").to_owned();
    let mut environment = vec![
        ("AWS_ENDPOINT_URL".to_owned(), text("aws")),
        ("AWS_ACCESS_KEY_ID".to_owned(), "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "test".to_owned()),
        (points::POINTS.to_owned(), text("points")),
        ("JOINTLAMBDA_CLOUDS".to_owned(), json!({ "AWS": { "table": TABLE, "bucket": BUCKET } }).to_string()),
    ];
    let program = env::current_exe().expect("a program knows where it is");
    account.deploy::<Shapes>(&program, &environment, true).await;
    environment.push((IS_CENTRAL.to_owned(), "1".to_owned()));
    account.deploy::<Others>(&program, &environment, true).await;
    println!("{}", json!({ "variables": account.variables(), "section": account.section_as_json() }));
    // The end of what it hears is the end.
    while let Ok(Ok(line)) = tokio::task::spawn_blocking(hear).await
        && !line.is_empty()
    {
        account.emulator.clear_faults();
        if line == DOWN {
            let answer =
                Answer { status: 503, code: "ServiceUnavailable".to_owned(), message: String::new() };
            let rule = Rule::new(Service::FunctionCompute, Action::Error(answer));
            account.emulator.fault(rule.operation("InvokeFunction")).expect("one fault can be");
        }
        println!("{DONE}");
    }
}

/// Both clouds, the network between them, and the clients of both systems, which are on AWS's side.
struct Clouds {
    client: Client<Shapes>,
    central: Central,
    /// What every process writes down.
    points: std::path::PathBuf,
    /// What crosses.
    crossings: std::path::PathBuf,
    _standin: Standin,
    other: Other,
    _folder: tempfile::TempDir,
}

impl Clouds {
    async fn start(freezes: bool) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (file, crossings) = (folder.path().join("points"), folder.path().join("crossings"));
        let mut other = Other::start(ONE_WAY, &crossings);
        // Nobody else is in the namespace, so it may listen on all of its addresses.
        let standin = Standin::ministack_with(&[("BIND_HOST", "0.0.0.0")]);
        let port = standin.url.rsplit(':').next().expect("it has a port");
        let aws = format!("http://{}:{port}", place::FIRST);
        other.tell(&json!({ "points": file, "aws": aws, "freezes": freezes }).to_string());
        let account = Account::in_region(&standin.url, REGION);
        account.create_table(TABLE).await;
        account.create_bucket();
        let reached: Value = serde_json::from_str(&other.hear()).expect("it says how it is reached");
        let variables: Vec<(String, String)> =
            serde_json::from_value(reached["variables"].clone()).expect("they are pairs");
        let section = &reached["section"];
        let clouds = json!({ "ALI": section }).to_string();
        let path = file.to_str().expect("it is text");
        let mut environment: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (&**name, &**value)).collect();
        environment.extend([("JOINTLAMBDA_CLOUDS", &*clouds), (points::POINTS, path)]);
        let program = env::current_exe().expect("a program knows where it is");
        account.deploy_with::<Shapes>(&program, TABLE, &environment, true).await;
        environment.push((IS_CENTRAL, "1"));
        account.deploy_with::<Others>(&program, TABLE, &environment, true).await;
        points::write_down(&file);
        let client = Client::new(
            backends_here::<Shapes>(&account, &variables, section),
            jointlambda::Options::default(),
        );
        let central = Central { clouds: backends_here::<Others>(&account, &variables, section) };
        Clouds { client, central, points: file, crossings, _standin: standin, other, _folder: folder }
    }
}

/// The backends of both clouds, seen from the client.
fn backends_here<W: Workflow>(
    account: &Account,
    variables: &[(String, String)],
    section: &Value,
) -> Vec<Backend> {
    let of = |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).expect("it says so")
    };
    let text = format!(
        "[clouds.AWS]\n{}[clouds.ALI]\ntable = {}\nbucket = {}\n",
        account.section(TABLE),
        section["table"],
        section["bucket"]
    );
    let settings = from_toml(&text, W::definition()).expect("they are right");
    let names = Names::of_deployment(W::definition(), &settings);
    let key = AccessKey::new(of("ALIBABA_CLOUD_ACCESS_KEY_ID"), of("ALIBABA_CLOUD_ACCESS_KEY_SECRET"));
    let endpoints = Endpoints {
        tablestore: of("ALIBABA_CLOUD_TABLESTORE_ENDPOINT"),
        oss: of("ALIBABA_CLOUD_OSS_ENDPOINT"),
        function_compute: of("ALIBABA_CLOUD_FC_ENDPOINT"),
    };
    let aliyun = aliyun::backend_with(&settings[1], names.clone(), key, endpoints);
    vec![account.backend_of(&settings[0], names), aliyun.expect("the table has an instance")]
}
