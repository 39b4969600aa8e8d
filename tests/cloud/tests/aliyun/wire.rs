//! What goes wrong between a run and its services: each request of a run is lost, answered with an
//! error, done and answered with one, or held up, one at a time.

use std::{fmt::Debug, io::Write as _};

use aliyun_emulator::{
    clock::Clock,
    fault::{Action, Answer, Rule, Service},
};
use jointlambda::{
    Workflow,
    backend::{Arrival, Check, Created, IndexPart, NewRow, StoreError, fault::Schedule},
    id::{RowKey, RunId},
};
use jointlambda_cloud_tests::{
    AliyunAccount,
    shapes::aliyun::{chain::Chain, fan::Fan, heavy::Heavy, pick::Pick},
    trials::{Services, Subject},
};
use tokio::runtime::Runtime;

/// How long before now a trial begins, by the virtual clock: then all that it does is past for the
/// emulator, whose clock is another, and what is stale in the run index is known to be.
const AGO_MS: u64 = 30 * 24 * 3_600 * 1_000;
/// How long a request is held up, in real time. No virtual time passes.
const HELD_MS: u64 = 30;

/// An account on threads of its own, which go on while time stands still.
pub(crate) struct Real {
    pub(crate) account: AliyunAccount,
    threads: Runtime,
}

impl Real {
    pub(crate) fn start() -> Self {
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let threads = threads.expect("threads can be made");
        let account = threads.block_on(AliyunAccount::start("cn-hongkong"));
        Real { account, threads }
    }

    pub(crate) fn block_on<T>(&self, what: impl Future<Output = T>) -> T {
        self.threads.block_on(what)
    }

    pub(crate) fn services<W: Workflow>(&self) -> Services {
        let backend = self.account.backend::<W>();
        Services {
            name: "the emulator",
            table: backend.table,
            objects: Some(backend.objects),
            real: self.threads.handle().clone(),
            epoch_ms: Clock::of_day() - AGO_MS,
        }
    }
}

/// What can become of a request to a service.
fn actions(service: Service) -> Vec<Action> {
    let answer = |status, code: &str| Answer { status, code: code.to_owned(), message: String::new() };
    let mut actions = vec![Action::DropBefore, Action::DropAfter, Action::Delay { ms: HELD_MS }];
    actions.extend(match service {
        Service::Tablestore => vec![
            Action::Error(answer(503, "OTSServerBusy")),
            Action::Error(answer(503, "OTSTimeout")),
            Action::ErrorAfter(answer(503, "OTSTimeout")),
            Action::Error(answer(403, "OTSNotEnoughCapacityUnit")),
            Action::ErrorAfter(answer(500, "OTSInternalServerError")),
        ],
        _ => vec![
            Action::Error(answer(503, "ServiceUnavailable")),
            Action::ErrorAfter(answer(500, "InternalError")),
        ],
    });
    actions
}

fn survives<W: Workflow>(input: W::Input, at_least: &[(Service, &str)])
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let name = W::definition().name;
    let real = Real::start();
    let emulator = &real.account.emulator;
    let subject = Subject::<W>::new(real.services::<W>(), input);
    emulator.forget_requests();
    let calm = subject.calm();
    let requests = emulator.requests();
    for (service, operation) in at_least {
        let asked = requests.get(service).and_then(|operations| operations.get(*operation));
        assert!(asked.is_some(), "{name} asks for no {operation}: {requests:?}");
    }
    let (mut failures, mut tried, mut happened) = (Vec::new(), 0, 0);
    for (service, operations) in requests {
        for (operation, count) in operations {
            for (skip, action) in (0..count).flat_map(|k| actions(service).into_iter().map(move |a| (k, a))) {
                let what = format!("{operation} {skip} {action:?}");
                let rule = Rule::new(service, action).operation(operation.as_str()).times(1);
                emulator.fault(Rule { skip: skip as u32, ..rule }).expect("one more fault can be");
                tried += 1;
                match subject.attempt(&format!("{name} {what}"), &Schedule::default()) {
                    Ok(trial) if trial.rows > calm.rows => {
                        failures.push(format!("{what}: {} rows, not {}", trial.rows, calm.rows));
                    }
                    Ok(_) => {}
                    Err(why) => failures.push(format!("{what}: {why}")),
                }
                happened += usize::from(emulator.faults().iter().all(|rule| rule.times == Some(0)));
                emulator.clear_faults();
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{happened} faults on the wire of `{name}`");
    assert!(failures.is_empty(), "{name}: {} of {tried}:\n{}", failures.len(), failures.join("\n"));
    assert!(happened * 10 >= tried * 9, "only {happened} of {tried} faults happened");
}

const OF_EVERY_RUN: [(Service, &str); 3] =
    [(Service::Tablestore, "PutRow"), (Service::Tablestore, "UpdateRow"), (Service::Tablestore, "GetRow")];

#[test]
fn a_chain_survives_whatever_becomes_of_a_request() {
    survives::<Chain>(3, &OF_EVERY_RUN);
}

#[test]
fn a_fan_out_survives_whatever_becomes_of_a_request() {
    survives::<Fan>(vec![2, 5], &OF_EVERY_RUN);
}

#[test]
fn a_pick_of_the_first_survives_whatever_becomes_of_a_request() {
    survives::<Pick>(vec![0, 7], &OF_EVERY_RUN);
}

#[test]
fn objects_survive_whatever_becomes_of_a_request() {
    let all = ["PutObject", "GetObject", "ListObjectsV2", "DeleteObject"];
    survives::<Heavy>(200_000, &all.map(|operation| (Service::Oss, operation)));
}

/// Whoever does not know whether its write was done makes it again, and is told what it did.
#[test]
fn a_write_whose_answer_was_lost_recognises_itself() {
    let real = Real::start();
    let table = real.account.backend::<Chain>().table;
    let lost = || {
        let rule = Rule::new(Service::Tablestore, Action::DropAfter).operation("UpdateRow").times(1);
        real.account.emulator.fault(rule).expect("one more fault can be");
    };
    real.threads.block_on(async {
        let key = RowKey::run(&RunId::derive("chain", "ambiguous"));
        let expires_at = table.now() + 86_400_000;
        let check = Some(Check { at: table.now() + 60_000, ..Check::default() });
        let row = NewRow { body: "mine".into(), check, expires_at, ..NewRow::default() };
        lost();
        let unknown = table.create(&key, row.clone()).await;
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
        let again = table.create(&key, row).await.expect("it is answered");
        let Created::Exists(found) = again else { panic!("it was made twice") };
        assert_eq!(found.body.as_deref(), Some(&b"mine"[..]));

        let arrival = Arrival { ok: true, value: "one".into(), ..Arrival::at(3, 8, expires_at) };
        lost();
        let unknown = table.arrive(&key, arrival.clone()).await;
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
        let again = table.arrive(&key, arrival).await.expect("it is answered");
        assert_eq!((again.fresh, again.filled, again.ok), (false, 1, 1));
        assert_eq!(table.due(IndexPart::default(), table.now() + 120_000, 10).await, Ok(vec![key]));
    });
}
