//! What the functions of workflows are called that were deployed on an account.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jointlambda::{
    Workflow,
    deployment::{Names, from_variables},
};

/// The names of functions, by the name of their workflow.
#[derive(Default)]
pub(crate) struct DeployedNames(Mutex<BTreeMap<&'static str, Names>>);

impl DeployedNames {
    /// Notes that `W` is deployed with functions that have such an environment; what they are called.
    pub(crate) fn add<W: Workflow>(&self, variable: impl Fn(&str) -> Option<String>) -> Names {
        let definition = W::definition();
        let (_, clouds) = from_variables(definition, variable).expect("they are told where their clouds are");
        let names = Names::of_deployment(definition, &clouds);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(definition.name, names.clone());
        names
    }

    /// What the functions of `W` are called.
    pub(crate) fn of<W: Workflow>(&self) -> Names {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(W::definition().name).cloned().expect("the workflow is deployed")
    }
}
