//! The instances of a function: as many requests in each as it takes, another where none has room, and what
//! becomes of those that are idle, ill, or of an older version.

use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};

use tokio::task::JoinSet;

use super::{
    function::Function,
    instance::{Instance, NotStarted},
    lock,
};
use crate::{clock::Timestamp, world::World};

pub(super) struct Pool {
    state: Mutex<State>,
    max_instances: usize,
}

#[derive(Default)]
struct State {
    instances: Vec<Arc<Instance>>,
    starting: usize,
    /// Those that are told that they end; kept, so that they end with the emulator.
    leaving: Vec<Arc<Instance>>,
    /// Whether there is a newer version of the function, or none any more.
    retired: bool,
    /// Whether the emulator has ended.
    closed: bool,
}

/// A place in an instance, for one request.
pub(super) struct Place {
    pub(super) instance: Arc<Instance>,
    function: Arc<Function>,
    world: Arc<World>,
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// There are as many instances as there may be, all full.
    Full,
    /// No instance could be started.
    NotStarted(NotStarted),
}

impl Pool {
    pub(super) fn new(max_instances: usize) -> Self {
        Pool { state: Mutex::default(), max_instances }
    }

    /// A place in an instance that has room: among those that are not ill, if another can be had.
    fn take(&self, most: usize) -> Result<Arc<Instance>, Starting<'_>> {
        let mut state = lock(&self.state);
        state.instances.retain(|instance| instance.is_alive());
        let room = |ill: bool| {
            state.instances.iter().find(|instance| {
                let mut busy = lock(&instance.busy);
                let has = *busy < most && lock(&instance.health).is_ill() == ill;
                if has {
                    *busy += 1;
                    instance.thaw();
                }
                has
            })
        };
        if let Some(instance) = room(false) {
            return Ok(instance.clone());
        }
        if state.instances.len() + state.starting >= self.max_instances {
            return room(true).cloned().ok_or(Starting(None));
        }
        state.starting += 1;
        Err(Starting(Some(self)))
    }

    /// Stops using its instances: each ends once it has nothing to do, and is told before.
    pub(super) fn retire(world: &Arc<World>, function: &Arc<Function>) {
        let idle = {
            let mut state = lock(&function.pool.state);
            state.retired = true;
            state.leave(|instance| *lock(&instance.busy) == 0)
        };
        stop(world, function, idle);
    }

    /// Ends instances that have been idle since before a time; those that want to know are told first.
    pub(super) fn reap(world: &Arc<World>, function: &Arc<Function>, before: Timestamp) {
        let idle = lock(&function.pool.state).leave(|instance| instance.idles_since(before));
        stop(world, function, idle);
    }

    /// Checks the health of the instances that are not stopped, where it is due.
    pub(super) async fn check(world: &Arc<World>, function: &Arc<Function>) {
        let runtime = function.config.custom_runtime_config.as_ref();
        let Some(check) = runtime.and_then(|runtime| runtime.health_check_config.clone()) else { return };
        let mut checks = JoinSet::new();
        for instance in &lock(&function.pool.state).instances {
            let runs = *lock(&instance.busy) > 0 || !world.options.freeze;
            if runs && lock(&instance.health).is_due(&check, world.clock.now()) {
                let (instance, check) = (instance.clone(), check.clone());
                checks.spawn(async move {
                    let passed = instance.passes(&check).await;
                    lock(&instance.health).note(&check, passed);
                });
            }
        }
        checks.join_all().await;
    }

    /// Ends all instances at once; those that are being started end when they have.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        let State { instances, leaving, .. } = &mut *state;
        instances.drain(..).chain(leaving.drain(..)).for_each(|instance| instance.kill());
    }
}

impl State {
    /// Takes instances out of use.
    fn leave(&mut self, which: impl Fn(&Instance) -> bool) -> Vec<Arc<Instance>> {
        let left: Vec<_> = self.instances.extract_if(.., |instance| which(instance)).collect();
        self.leaving.extend(left.iter().cloned());
        left
    }
}

/// Tells instances that they end, and ends them.
fn stop(world: &Arc<World>, function: &Arc<Function>, instances: Vec<Arc<Instance>>) {
    for instance in instances {
        let (world, function) = (world.clone(), function.clone());
        tokio::spawn(async move {
            instance.stop(&world, &function.config).await;
            lock(&function.pool.state).leaving.retain(|other| other.id != instance.id);
        });
    }
}

/// Counts an instance that is being started, also when whoever waits for it gives up. None is, where there may
/// be no more.
struct Starting<'a>(Option<&'a Pool>);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.0.into_iter().for_each(|pool| lock(&pool.state).starting -= 1);
    }
}

impl Place {
    /// A place in an instance that runs, or in one that is started for it.
    pub(super) async fn find(
        world: &Arc<World>,
        function: &Arc<Function>,
        folder: &Path,
    ) -> Result<Self, NoPlace> {
        let pool = &function.pool;
        let in_instance = |instance| Place { instance, function: function.clone(), world: world.clone() };
        let starting = match pool.take(function.config.instance_concurrency) {
            Ok(instance) => return Ok(in_instance(instance)),
            Err(Starting(None)) => return Err(NoPlace::Full),
            Err(starting) => starting,
        };
        let started = Instance::start(world, function, folder).await;
        let instance = Arc::new(started.map_err(NoPlace::NotStarted)?);
        *lock(&instance.busy) = 1;
        let mut state = lock(&pool.state);
        if state.closed {
            instance.kill();
        }
        state.instances.push(instance.clone());
        drop(state);
        drop(starting);
        Ok(in_instance(instance))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = {
            let mut state = lock(&self.function.pool.state);
            let mut busy = lock(&self.instance.busy);
            *busy -= 1;
            if *busy > 0 {
                return;
            }
            self.instance.idle_since.store(self.world.clock.now(), Ordering::SeqCst);
            if !state.retired || state.closed {
                self.instance.freeze();
                return;
            }
            drop(busy);
            state.leave(|instance| instance.id == self.instance.id)
        };
        stop(&self.world, &self.function, left);
    }
}

impl Instance {
    fn idles_since(&self, before: Timestamp) -> bool {
        *lock(&self.busy) == 0 && self.idle_since.load(Ordering::SeqCst) <= before
    }
}
