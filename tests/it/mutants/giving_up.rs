//! A mutant that fails a run for what is around a call.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jointlambda::{
    Cause, Fault, GivenUp,
    backend::{Delivery, Handler},
};

use crate::{
    given_up::give_up,
    many_faults::{chain::Chain, fan::Fan},
};

/// Whatever is given up is the fault of its call.
struct AlwaysTheCall(Arc<dyn Handler>);

#[async_trait]
impl Handler for AlwaysTheCall {
    async fn handle(&self, function: &str, wire: Bytes, delivery: Delivery) -> Result<(), Fault> {
        self.0.handle(function, wire, delivery).await
    }

    async fn abandon(&self, function: &str, wire: Bytes, given_up: GivenUp) -> Result<(), Fault> {
        self.0.abandon(function, wire, GivenUp { cause: Cause::Call, ..given_up }).await
    }
}

#[test]
fn a_mutant_that_fails_a_call_for_its_surroundings_is_killed() {
    let mutant = |sound| -> Arc<dyn Handler> { Arc::new(AlwaysTheCall(sound)) };
    for (shape, mutant, sound) in [
        (
            "a chain",
            give_up::<Chain>(mutant, &3, Cause::Surroundings),
            give_up::<Chain>(|sound| sound, &3, Cause::Surroundings),
        ),
        (
            "a map",
            give_up::<Fan>(mutant, &vec![2, 3], Cause::Surroundings),
            give_up::<Fan>(|sound| sound, &vec![2, 3], Cause::Surroundings),
        ),
    ] {
        assert!(sound.failures.is_empty(), "{shape}: {:?}", sound.failures);
        println!("{shape}: {:?}", mutant.failures.first());
        assert!(mutant.failures.iter().any(|why| why.contains("the run failed")), "{shape}: not noticed");
    }
}
