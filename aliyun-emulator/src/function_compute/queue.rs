//! Asynchronous invocations: delivered at least once, retried, and told of at the end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::{
    DELIVER, FunctionCompute,
    function::{AsyncConfig, Destination},
    invoke::Ran,
    lock,
};
use crate::{
    clock::Timestamp,
    fault::{Action, Service},
    http::Refusal,
    world::request_id,
};

/// How many events wait or run at once, of all functions.
const MAX_EVENTS: usize = 100_000;
/// How many tasks of a function are remembered; the oldest go first.
const MAX_TASKS: usize = 10_000;
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_AGE_S: u64 = 86_400;
const MAX_PAUSE_MS: u64 = 5 * 60 * 1000;

/// An invocation that was accepted.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) function: String,
    pub(super) request_id: String,
    pub(super) task_id: String,
    pub(super) body: Bytes,
    pub(super) accepted_ms: Timestamp,
    pub(super) delay_ms: u64,
}

#[derive(Default)]
pub(super) struct Queue {
    events: AtomicUsize,
    tasks: Mutex<HashMap<String, BTreeMap<String, Task>>>,
}

#[derive(Clone)]
struct Task {
    request_id: String,
    status: &'static str,
    accepted_ms: Timestamp,
    ended_ms: Option<Timestamp>,
    retries: u32,
    stopped: bool,
}

impl Queue {
    /// The tasks of a function, by their ids.
    pub(super) fn tasks(&self, function: &str) -> Vec<(String, Json)> {
        let tasks = lock(&self.tasks);
        let tasks = tasks.get(function).into_iter().flatten();
        tasks.map(|(id, task)| (id.clone(), task.describe(function, id))).collect()
    }

    pub(super) fn task(&self, function: &str, id: &str) -> Option<Json> {
        Some(lock(&self.tasks).get(function)?.get(id)?.describe(function, id))
    }

    /// Marks a task to be stopped; one that runs ends first.
    pub(super) fn stop(&self, function: &str, id: &str) -> bool {
        let mut tasks = lock(&self.tasks);
        let task = tasks.get_mut(function).and_then(|tasks| tasks.get_mut(id));
        task.map(|task| (task.stopped, task.status) = (true, "Stopping")).is_some()
    }

    fn update(&self, event: &Event, change: impl FnOnce(&mut Task)) -> bool {
        let mut tasks = lock(&self.tasks);
        let task = tasks.get_mut(&event.function).and_then(|tasks| tasks.get_mut(&event.task_id));
        task.is_some_and(|task| {
            change(task);
            task.stopped
        })
    }
}

impl Task {
    fn describe(&self, function: &str, id: &str) -> Json {
        json!({
            "functionName": function,
            "taskId": id,
            "requestId": self.request_id,
            "status": self.status,
            "startedTime": self.accepted_ms,
            "endTime": self.ended_ms,
            "alreadyRetriedTimes": self.retries,
            "qualifier": "LATEST",
        })
    }
}

impl FunctionCompute {
    /// Takes an event, to be delivered whatever happens to whoever sent it.
    pub(super) fn enqueue(self: &Arc<Self>, event: Event) -> Result<(), Refusal> {
        let function = self.function(&event.function)?;
        let is_task =
            lock(&function.asynchronous).as_ref().and_then(|config| config.async_task) == Some(true);
        if is_task {
            let mut tasks = lock(&self.queue.tasks);
            let tasks = tasks.entry(event.function.clone()).or_default();
            if tasks.contains_key(&event.task_id) {
                let message = format!("async task '{}' already exists", event.task_id);
                return Err(Refusal::new(409, "AsyncTaskAlreadyExists", message));
            }
            if tasks.len() >= MAX_TASKS {
                let oldest = tasks.iter().min_by_key(|(_, task)| task.accepted_ms).map(|(id, _)| id.clone());
                oldest.map(|id| tasks.remove(&id));
            }
            let task = Task {
                request_id: event.request_id.clone(),
                status: "Enqueued",
                accepted_ms: event.accepted_ms,
                ended_ms: None,
                retries: 0,
                stopped: false,
            };
            tasks.insert(event.task_id.clone(), task);
        }
        if self.queue.events.fetch_add(1, Ordering::SeqCst) >= MAX_EVENTS {
            self.queue.events.fetch_sub(1, Ordering::SeqCst);
            return Err(Refusal::new(429, "ResourceThrottled", "too many asynchronous invocations"));
        }
        // Held weakly while it waits, so that an emulator that ends is not kept by its events.
        let this = Arc::downgrade(self);
        let world = self.world.clone();
        tokio::spawn(async move {
            world.clock.sleep(event.delay_ms).await;
            if let Some(this) = this.upgrade() {
                this.deliver(event).await;
                this.queue.events.fetch_sub(1, Ordering::SeqCst);
            }
        });
        Ok(())
    }

    /// Delivers an event until the function has taken it, or the bounds are reached.
    async fn deliver(self: &Arc<Self>, event: Event) {
        let mut attempts = 0;
        let mut pause_ms = self.world.options.retry_pause_ms;
        loop {
            let Ok(function) = self.function(&event.function) else { return };
            let config = lock(&function.asynchronous).clone().unwrap_or_default();
            let now = self.world.clock.now();
            let age_s = config.max_async_event_age_in_seconds.unwrap_or(DEFAULT_AGE_S);
            if now.saturating_sub(event.accepted_ms) > age_s * 1000 {
                return self.end(&event, &config, "Expired", attempts, Bytes::new(), "");
            }
            if self
                .queue
                .update(&event, |task| task.status = if task.stopped { "Stopped" } else { "Running" })
            {
                return;
            }
            let ran = match self.world.faults.strike(Service::FunctionCompute, DELIVER, &event.function, now)
            {
                Some(Action::DropBefore) => return,
                Some(Action::Error(answer)) => {
                    Ran::Refused(Refusal::new(answer.status, answer.code, answer.message))
                }
                fault => {
                    if let Some(Action::Delay { ms }) = fault {
                        self.world.clock.sleep(ms).await;
                    }
                    if let Some(Action::Duplicate { copies }) = fault {
                        for _ in 0..copies {
                            let (this, function, event) = (self.clone(), function.clone(), event.clone());
                            tokio::spawn(async move {
                                this.run(&function, &event.request_id, event.body).await;
                            });
                        }
                    }
                    let ran = self.run(&function, &event.request_id, event.body.clone()).await;
                    match fault {
                        Some(Action::DropAfter) => {
                            Ran::Refused(Refusal::new(500, "InternalServerError", "lost"))
                        }
                        Some(Action::ErrorAfter(answer)) => {
                            Ran::Refused(Refusal::new(answer.status, answer.code, answer.message))
                        }
                        _ => ran,
                    }
                }
            };
            match ran {
                Ran::Done(body) => return self.end(&event, &config, "Succeeded", attempts + 1, body, ""),
                Ran::Failed { body, how } => {
                    attempts += 1;
                    if attempts > config.max_async_retry_attempts.unwrap_or(DEFAULT_RETRIES) {
                        return self.end(&event, &config, "Failed", attempts, body, how);
                    }
                }
                // Throttling and errors of the system do not use up the retries.
                Ran::Refused(refusal) => {
                    if now.saturating_sub(event.accepted_ms) > self.world.options.system_retry_ms {
                        return self.end(&event, &config, "Failed", attempts, refusal.message.into(), "");
                    }
                }
            }
            self.queue.update(&event, |task| (task.status, task.retries) = ("Retrying", attempts));
            self.world.clock.sleep(pause_ms).await;
            pause_ms = pause_ms.saturating_mul(2).min(MAX_PAUSE_MS);
        }
    }

    /// Writes down how an event ended, and tells its destination.
    fn end(
        self: &Arc<Self>,
        event: &Event,
        config: &AsyncConfig,
        status: &'static str,
        attempts: u32,
        body: Bytes,
        error: &'static str,
    ) {
        let now = self.world.clock.now();
        self.queue.update(event, |task| (task.status, task.ended_ms) = (status, Some(now)));
        let destinations = config.destination_config.clone().unwrap_or_default();
        let succeeded = status == "Succeeded";
        let destination = if succeeded { destinations.on_success } else { destinations.on_failure };
        let Some(Destination { destination }) = destination else { return };
        // Queues and topics are not emulated: what is for them is dropped.
        let Some((_, function)) = destination.rsplit_once(":functions/") else { return };
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let told = json!({
            "timestamp": now,
            "requestContext": {
                "requestId": event.request_id,
                "functionArn": self.arn(&event.function),
                "condition": if succeeded { "" } else if status == "Expired" { "EventAgeExceeded" } else { "RetriesExhausted" },
                "approximateInvokeCount": attempts,
            },
            "requestPayload": text(&event.body),
            "responseContext": { "statusCode": 200, "functionError": error },
            "responsePayload": text(&body),
        });
        let told = told.to_string();
        // A function is told as it is invoked, asynchronously: by no more than that takes.
        if told.len() > self.world.options.async_payload_bytes {
            return;
        }
        let id = request_id();
        let _ = self.enqueue(Event {
            function: function.split('/').next().unwrap_or_default().to_owned(),
            task_id: id.clone(),
            request_id: id,
            body: told.into(),
            accepted_ms: now,
            delay_ms: 0,
        });
    }
}
