//! The instances of a function: as many requests in each as it takes, another where none has room.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};

use super::{
    function::{Config, Function},
    instance::Instance,
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
    /// Whether there is a newer version of the function, or none any more.
    retired: bool,
}

/// A place in an instance, for one request.
pub(super) struct Place<'a> {
    pub(super) instance: Arc<Instance>,
    pool: &'a Pool,
    world: &'a World,
}

/// Why there is no place.
pub(super) enum NoPlace {
    /// There are as many instances as there may be, all full.
    Full,
    /// The function's program does not start.
    NotStarted(io::Error),
}

impl Pool {
    pub(super) fn new(max_instances: usize) -> Self {
        Pool { state: Mutex::default(), max_instances }
    }

    /// A place in an instance that runs, or in one that is started for it.
    pub(super) async fn place<'a>(
        &'a self,
        world: &'a World,
        function: &Function,
        folder: &Path,
    ) -> Result<Place<'a>, NoPlace> {
        {
            let mut state = lock(&self.state);
            state.instances.retain(|instance| instance.is_alive());
            for instance in &state.instances {
                let mut busy = lock(&instance.busy);
                if *busy < function.config.instance_concurrency {
                    *busy += 1;
                    instance.thaw();
                    return Ok(Place { instance: instance.clone(), pool: self, world });
                }
            }
            if state.instances.len() + state.starting >= self.max_instances {
                return Err(NoPlace::Full);
            }
            state.starting += 1;
        }
        let starting = Starting(self);
        let started = Instance::start(world, function, folder, world.clock.now()).await;
        drop(starting);
        let instance = Arc::new(started.map_err(NoPlace::NotStarted)?);
        *lock(&instance.busy) = 1;
        lock(&self.state).instances.push(instance.clone());
        Ok(Place { instance, pool: self, world })
    }

    /// Ends instances that have been idle since before a time; those that want to know are told first.
    pub(super) async fn reap(&self, world: &World, config: &Config, before: Timestamp) {
        let idle: Vec<_> = {
            let mut state = lock(&self.state);
            state.instances.extract_if(.., |instance| instance.idles_since(before)).collect()
        };
        for instance in idle {
            instance.stop(world, config).await;
        }
    }

    /// Ends instances once they have nothing to do.
    pub(super) fn retire(&self) {
        let mut state = lock(&self.state);
        state.retired = true;
        state.instances.retain(|instance| *lock(&instance.busy) > 0);
    }

    /// Ends all instances.
    pub(super) fn clear(&self) {
        let mut state = lock(&self.state);
        for instance in state.instances.drain(..) {
            instance.kill();
        }
    }
}

/// Counts an instance that is being started, also when whoever waits for it gives up.
struct Starting<'a>(&'a Pool);

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).starting -= 1;
    }
}

impl Instance {
    fn idles_since(&self, before: Timestamp) -> bool {
        *lock(&self.busy) == 0 && self.idle_since.load(Ordering::SeqCst) <= before
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.pool.state);
        let mut busy = lock(&self.instance.busy);
        *busy -= 1;
        if *busy > 0 {
            return;
        }
        self.instance.idle_since.store(self.world.clock.now(), Ordering::SeqCst);
        if state.retired {
            state.instances.retain(|instance| instance.id != self.instance.id);
        } else {
            self.instance.freeze();
        }
    }
}
