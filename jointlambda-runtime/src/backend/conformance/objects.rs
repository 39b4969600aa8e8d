//! The contract of [`Objects`](crate::backend::Objects).

use bytes::Bytes;

use super::{CALLERS, Check, Subject, Verdict, checks, concurrently, ensure};
use crate::id::{Digest, ObjectKey, ObjectsOf};

/// Every clause of the contract of an object store.
pub fn objects() -> Vec<Check> {
    checks![
        an_object_that_was_not_put_is_not_there,
        an_object_is_read_as_it_was_put,
        the_first_object_under_a_key_stays,
        many_may_put_the_same_object,
        an_object_may_be_large,
        only_the_objects_of_the_run_are_deleted,
    ]
}

impl Subject {
    fn fresh_object(&self) -> ObjectKey {
        ObjectKey::new(&self.fresh_incarnation(), &Digest::of(b"content"))
    }
}

async fn an_object_that_was_not_put_is_not_there(subject: &Subject) -> Verdict {
    let found = subject.backend.objects.get(&subject.fresh_object()).await?;
    ensure!(found.is_none(), "found {found:?}");
    Ok(())
}

async fn an_object_is_read_as_it_was_put(subject: &Subject) -> Verdict {
    let every_byte: Vec<u8> = (0..=255).collect();
    for bytes in [Bytes::new(), Bytes::from(every_byte)] {
        let (objects, key) = (&subject.backend.objects, subject.fresh_object());
        objects.put(&key, bytes.clone()).await?;
        let found = objects.get(&key).await?;
        ensure!(found.as_ref() == Some(&bytes), "put {bytes:?}, got {found:?}");
    }
    Ok(())
}

async fn the_first_object_under_a_key_stays(subject: &Subject) -> Verdict {
    let (objects, key) = (&subject.backend.objects, subject.fresh_object());
    objects.put(&key, "first".into()).await?;
    objects.put(&key, "second".into()).await?;
    let found = objects.get(&key).await?;
    ensure!(found.as_deref() == Some(b"first"), "then got {found:?}");
    Ok(())
}

async fn many_may_put_the_same_object(subject: &Subject) -> Verdict {
    let key = subject.fresh_object();
    concurrently(CALLERS, |_| {
        let (objects, key) = (subject.backend.objects.clone(), key.clone());
        async move { objects.put(&key, "content".into()).await }
    })
    .await?;
    let found = subject.backend.objects.get(&key).await?;
    ensure!(found.as_deref() == Some(b"content"), "then got {found:?}");
    Ok(())
}

async fn an_object_may_be_large(subject: &Subject) -> Verdict {
    const MB: usize = 1024 * 1024;
    let (objects, key) = (&subject.backend.objects, subject.fresh_object());
    let bytes = Bytes::from([1, 2, 3, 5, 8, 13, 21, 34].repeat(5 * MB / 8));
    objects.put(&key, bytes.clone()).await?;
    let found = objects.get(&key).await?;
    ensure!(found == Some(bytes), "5 MB came back differently");
    Ok(())
}

async fn only_the_objects_of_the_run_are_deleted(subject: &Subject) -> Verdict {
    let objects = &subject.backend.objects;
    let (run, other) = (subject.fresh_incarnation(), subject.fresh_incarnation());
    let contents = [&b"a"[..], b"b", b"c"];
    for run in [&run, &other] {
        for content in contents {
            objects.put(&ObjectKey::new(run, &Digest::of(content)), Bytes::from_static(content)).await?;
        }
        objects.put(&ObjectKey::result(run, &Digest::of(b"r")), Bytes::from_static(b"r")).await?;
    }
    let result = async |run| objects.get(&ObjectKey::result(run, &Digest::of(b"r"))).await;
    objects.delete_run(&run, ObjectsOf::Work).await?;
    objects.delete_run(&run, ObjectsOf::Work).await?;
    ensure!(result(&run).await?.is_some(), "the result of the run is gone");
    for content in contents {
        let digest = Digest::of(content);
        let deleted = objects.get(&ObjectKey::new(&run, &digest)).await?;
        ensure!(deleted.is_none(), "an object of the run is still there");
        let kept = objects.get(&ObjectKey::new(&other, &digest)).await?;
        ensure!(kept.as_deref() == Some(content), "an object of another run is gone");
    }
    objects.delete_run(&run, ObjectsOf::Run).await?;
    ensure!(result(&run).await?.is_none(), "the result of the run is still there");
    ensure!(result(&other).await?.is_some(), "the result of another run is gone");
    Ok(())
}
