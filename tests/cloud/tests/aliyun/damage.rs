//! Answers that are damaged, or not the service's: none is taken for one. What was asked is asked again, as
//! if its answer had been lost; and a condition counts as not met where TableStore, or the row, says so.

use std::{collections::BTreeMap, fmt::Debug, io::Write as _};

use aliyun_emulator::fault::{Action, Answer, Rule, Service};
use jointlambda::{
    Workflow,
    backend::{Arrival, Check, Created, IndexPart, Invoked, NewRow, StoreError, fault::Schedule},
    id::{Digest, Incarnation, ObjectKey, RowKey, RunId},
};
use jointlambda_cloud_tests::{
    AliyunAccount,
    damage::{Damage, Damager},
    exchange,
    shapes::aliyun::{chain::Chain, fan::Fan, heavy::Heavy},
    trials::Subject,
};

use crate::wire::Real;

/// An account whose rows and objects are behind proxies.
struct Behind {
    real: Real,
    rows: Damager,
    objects: Damager,
}

impl Behind {
    fn start() -> Self {
        let mut real = Real::start();
        let (emulator, key) = (&real.account.emulator, real.account.key().clone());
        let rows = Damager::before(emulator.tablestore(), &key);
        let objects = Damager::before(emulator.oss(), &key);
        real.account.rows_at(&rows.url);
        real.account.objects_at(&objects.url);
        Behind { real, rows, objects }
    }
}

/// What is done to an answer, and whether what was asked is done.
fn damages(service: Service, operation: &str) -> Vec<(Damage, bool)> {
    let mut damages = vec![
        (Damage::Broken, true),
        (Damage::Half, true),
        (Damage::Huge, true),
        (Damage::Empty, false),
        (Damage::Page(200), false),
        (Damage::Page(200), true),
        (Damage::Page(403), false),
        (Damage::Page(404), false),
    ];
    match service {
        Service::Tablestore => damages.extend([
            (Damage::Signature, true),
            (Damage::Digest, true),
            (Damage::Bit, true),
            (Damage::Bare, true),
            (Damage::SignedBit, true),
            (Damage::Garbage, true),
            (Damage::SignedGarbage, true),
            (Damage::Condition, false),
            (Damage::Condition, true),
        ]),
        // OSS has no checksum of a list.
        _ if operation != "ListObjectsV2" => {
            damages.extend([(Damage::Checksum, true)]);
            damages.extend((operation == "GetObject").then_some((Damage::Bit, true)));
        }
        _ => {}
    }
    damages
}

/// Every damage to every answer of a run, one at a time.
fn survives<W: Workflow>(input: W::Input)
where
    W::Input: Clone,
    W::Output: PartialEq + Debug,
{
    let name = W::definition().name;
    let behind = Behind::start();
    let emulator = &behind.real.account.emulator;
    let subject = Subject::<W>::new(behind.real.services::<W>(), input);
    emulator.forget_requests();
    let calm = subject.calm();
    let (mut failures, mut tried, mut happened) = (Vec::new(), 0, 0);
    let mut struck = BTreeMap::<String, u32>::new();
    for (service, operations) in emulator.requests() {
        let damager = if service == Service::Tablestore { &behind.rows } else { &behind.objects };
        for (operation, count) in operations {
            let all = damages(service, &operation);
            for (skip, (damage, is_done)) in
                (0..count).flat_map(|skip| all.iter().map(move |one| (skip, *one)))
            {
                let what = format!("{operation} {skip} {damage:?} {is_done}");
                damager.damage(&operation, skip as u32, is_done, damage);
                tried += 1;
                match subject.attempt(&format!("{name} {what}"), &Schedule::default()) {
                    Ok(trial) if trial.rows > calm.rows => {
                        failures.push(format!("{what}: {} rows, not {}", trial.rows, calm.rows));
                    }
                    Ok(trial) if trial.left > 0 => {
                        failures.push(format!("{what}: {} objects stay", trial.left))
                    }
                    Ok(_) => {}
                    Err(why) => failures.push(format!("{what}: {why}")),
                }
                let once = damager.happened();
                happened += once;
                *struck.entry(format!("{damage:?}")).or_insert(0) += once;
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{happened} damaged answers of `{name}`");
    assert!(failures.is_empty(), "{name}: {} of {tried}:\n{}", failures.len(), failures.join("\n"));
    assert!(struck.values().all(|times| *times > 0), "some damage never happened: {struck:?}");
    // Not every answer has what a damage is of.
    assert!(happened * 10 >= tried * 8, "only {happened} of {tried} answers were damaged");
}

#[test]
fn a_chain_survives_every_damaged_answer() {
    survives::<Chain>(3);
}

#[test]
fn a_fan_out_survives_every_damaged_answer() {
    survives::<Fan>(vec![2, 5]);
}

#[test]
fn objects_survive_every_damaged_answer() {
    survives::<Heavy>(200_000);
}

fn arrival(slot: u32) -> Arrival {
    Arrival { ok: true, value: "mine".into(), only_open: true, ..Arrival::at(slot, 2, 4_000_000_000_000) }
}

/// Whoever is told by nobody knows whom that a condition is not met asks the row.
#[test]
fn a_condition_that_nobody_signed_counts_only_as_far_as_the_row_bears_it_out() {
    let behind = Behind::start();
    let table = behind.real.account.backend::<Chain>().table;
    behind.real.block_on(async {
        let key = |name: &str| RowKey::run(&RunId::derive("damage", name));
        let row = || NewRow { body: "mine".into(), expires_at: 4_000_000_000_000, ..NewRow::default() };
        let forged = |is_done| behind.rows.damage("UpdateRow", 0, is_done, Damage::Condition);
        let is_unknown = |error: StoreError| matches!(error, StoreError::Unknown(_));

        // Nothing was done: so nothing is there, and it is asked again.
        forged(false);
        assert!(table.create(&key("a"), row()).await.is_err_and(is_unknown));
        assert_eq!(table.create(&key("a"), row()).await, Ok(Created::New));
        forged(false);
        assert!(table.arrive(&key("b"), arrival(0)).await.is_err_and(is_unknown), "no row is closed to it");
        let arrived = table.arrive(&key("b"), arrival(0)).await.expect("it is answered");
        assert!(arrived.fresh && !arrived.closed);

        // It was done: the row has what was written.
        forged(true);
        let created = table.create(&key("c"), row()).await;
        let Ok(Created::Exists(found)) = created else { panic!("it was made: {created:?}") };
        assert_eq!(found.body.as_deref(), Some(&b"mine"[..]));
        forged(true);
        let arrived = table.arrive(&key("b"), arrival(1)).await.expect("the row is asked");
        assert!(!arrived.fresh && !arrived.closed && arrived.filled == 2, "{arrived:?}");

        // It is not met, whoever says so.
        forged(false);
        let other = NewRow { body: "other".into(), ..row() };
        let created = table.create(&key("a"), other).await;
        assert!(matches!(created, Ok(Created::Exists(found)) if found.body.as_deref() == Some(b"mine")));
        forged(false);
        let arrived = table.arrive(&key("a"), arrival(0)).await.expect("the row is asked");
        assert!(arrived.closed, "{arrived:?}");
    });
}

/// What TableStore says no with is its own as well.
#[test]
fn a_refusal_that_is_damaged_is_none() {
    let behind = Behind::start();
    let table = behind.real.account.backend::<Chain>().table;
    behind.real.block_on(async {
        let key = RowKey::run(&RunId::derive("damage", "refusal"));
        let row = || NewRow { body: "mine".into(), expires_at: 4_000_000_000_000, ..NewRow::default() };
        assert_eq!(table.create(&key, row()).await, Ok(Created::New));
        let missing = Rule::new(
            Service::Tablestore,
            Action::Error(Answer {
                status: 403,
                code: "OTSNoPermissionAccess".to_owned(),
                message: String::new(),
            }),
        );
        for damage in [Damage::Signature, Damage::Digest, Damage::Bare, Damage::Half, Damage::Garbage] {
            // Of a condition that is not met: where that is all that can be read, the row is asked.
            behind.rows.damage("UpdateRow", 0, true, damage);
            let created = table.create(&key, row()).await;
            if matches!(damage, Damage::Signature | Damage::Digest) {
                assert!(matches!(created, Ok(Created::Exists(_))), "{damage:?}: {created:?}");
            } else {
                assert!(matches!(created, Err(StoreError::Unknown(_))), "{damage:?}: {created:?}");
            }
            // Of a right that is missing.
            behind.real.account.emulator.fault(missing.clone().times(1)).expect("one more fault can be");
            behind.rows.damage("GetRow", 0, true, damage);
            let unknown = table.get(&key).await;
            assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{damage:?}: {unknown:?}");
        }
    });
}

#[test]
fn a_row_is_there_and_its_slots_are_counted_whatever_an_answer_lacks() {
    let behind = Behind::start();
    let table = behind.real.account.backend::<Chain>().table;
    behind.real.block_on(async {
        let key = RowKey::run(&RunId::derive("damage", "bare"));
        behind.rows.damage("UpdateRow", 0, true, Damage::SignedBare);
        let unknown = table.arrive(&key, arrival(1)).await;
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
        let again = table.arrive(&key, arrival(1)).await.expect("it is answered");
        assert_eq!((again.fresh, again.filled, again.ok), (false, 1, 1));
        behind.rows.damage("GetRow", 0, true, Damage::Bare);
        let unknown = table.get(&key).await;
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
    });
}

/// A place in the run index is not given up because somebody says so.
#[test]
fn a_row_leaves_the_run_index_also_when_a_condition_is_made_up() {
    let behind = Behind::start();
    let table = behind.real.account.backend::<Chain>().table;
    behind.real.block_on(async {
        let key = RowKey::run(&RunId::derive("damage", "index"));
        let row = NewRow {
            body: "run".into(),
            expires_at: 4_000_000_000_000,
            check: Some(Check { at: table.now() + 60_000, ..Check::default() }),
            ..NewRow::default()
        };
        assert_eq!(table.create(&key, row).await, Ok(Created::New));
        let slot = |slot| Arrival { only_open: false, ..arrival(slot) };
        table.arrive(&key, slot(0)).await.expect("it is answered");
        // The second write takes it out of the index.
        behind.rows.damage("UpdateRow", 1, false, Damage::Condition);
        let unknown = table.arrive(&key, slot(1)).await;
        assert!(matches!(unknown, Err(StoreError::Unknown(_))), "{unknown:?}");
        table.arrive(&key, slot(1)).await.expect("it is answered");
        assert_eq!(table.get(&key).await.expect("it is there").and_then(|row| row.check_at), None);
    });
}

fn object() -> ObjectKey {
    ObjectKey::new(&Incarnation::of(&RunId::derive("damage", "key"), 1), &Digest::of(b"content"))
}

/// Whatever is answered to whichever request, nobody takes it for an answer.
#[tokio::test]
async fn what_is_no_answer_of_a_service_is_none() {
    let mut account = AliyunAccount::start("cn-hongkong").await;
    let key = RowKey::run(&RunId::derive("damage", "key"));
    let html = ("content-type", "text/html");
    let page = b"<html><body>No.</body></html>";
    // Lengths that are nowhere said, of more than anybody reads.
    let endless = |bytes: usize| {
        let mut answer = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
        answer.resize(bytes, b'x');
        answer
    };
    let answers: [(&str, Vec<u8>); 7] = [
        ("nothing", exchange::http(200, &[], b"")),
        ("a page", exchange::http(200, &[html], page)),
        ("a page that refuses", exchange::http(403, &[html], page)),
        ("a page that is not there", exchange::http(404, &[html], page)),
        ("a conflict", exchange::http(409, &[html], page)),
        ("no HTTP", b"\x16\x03\x01\x02\x00".to_vec()),
        ("a flood", endless(70 << 20)),
    ];
    for (what, answer) in answers {
        let url = exchange::serve(move |_| Some(answer.clone()));
        account.rows_at(&url);
        account.objects_at(&url);
        account.invoke_at(&url);
        let backend = account.backend::<Chain>();
        let (table, objects) = (&backend.table, &backend.objects);
        let created = table.create(&key, NewRow::default()).await.expect_err(what);
        let read = table.get(&key).await.expect_err(what);
        let many = table.get_many(std::slice::from_ref(&key)).await.expect_err(what);
        let due = table.due(IndexPart::default(), 1, 10).await.expect_err(what);
        let put = objects.put(&object(), "content".into()).await.expect_err(what);
        let got = objects.get(&object()).await.expect_err(what);
        for error in [&created, &read, &many, &due, &put, &got] {
            assert!(matches!(error, StoreError::Unknown(_)), "{what}: {error:?}");
        }
        let Invoked::Unknown(invoked) = backend.functions.invoke("first", "x".into()).await else {
            panic!("{what} is taken for an answer");
        };
        if what == "a flood" {
            assert_eq!(read.to_string(), "the store did not answer: an answer is longer than 67108864 bytes");
            assert_eq!(invoked, "an answer is longer than 65536 bytes");
        }
    }
}

/// A function that ran at once and failed is delivered by nobody.
#[tokio::test]
async fn a_function_that_failed_was_not_accepted() {
    let id = ("x-fc-request-id", "1-2-3");
    for (status, headers, is_accepted) in [
        (202, vec![id], true),
        (202, vec![], true),
        (200, vec![id], true),
        (200, vec![id, ("X-Fc-Error-Type", "HandledInvocationError")], false),
        (202, vec![id, ("X-Fc-Error-Type", "UnhandledInvocationError")], false),
        (204, vec![id], false),
        (200, vec![], false),
    ] {
        let answer = exchange::http(status, &headers, b"");
        let mut account = AliyunAccount::start("cn-hongkong").await;
        account.invoke_at(&exchange::serve(move |_| Some(answer.clone())));
        let invoked = account.backend::<Chain>().functions.invoke("first", "x".into()).await;
        match invoked {
            Invoked::Accepted => assert!(is_accepted, "{status} {headers:?}"),
            Invoked::Unknown(why) => {
                assert!(!is_accepted, "{status} {headers:?}: {why}");
                let has_run = headers.len() > 1;
                assert_eq!(why.contains("the function, which failed"), has_run, "{why}");
            }
            other => panic!("{status} {headers:?}: {other:?}"),
        }
    }
}
