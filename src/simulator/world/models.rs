//! Models come and go: which of them tasks may ask for at a time.

use std::collections::BTreeMap;

use crate::simulator::scenario::Model;

/// What may be asked for.
#[derive(Debug)]
pub(crate) struct Models {
    /// Every model is there when empty.
    declared: Vec<Model>,
    /// What the control interface said last of a model.
    said: BTreeMap<String, bool>,
}

impl Models {
    /// As the scenario declares them.
    pub(crate) fn new(declared: &[Model]) -> Models {
        Models { declared: declared.to_vec(), said: BTreeMap::new() }
    }

    /// From now on a model is there, or not.
    pub(crate) fn say(&mut self, name: String, available: bool) {
        self.said.insert(name, available);
    }

    /// May a task ask for the model?
    pub(crate) fn has(&self, name: &str, now_ms: i64) -> bool {
        let declared = || {
            let of_name = |model: &Model| model.name == name && model.is_there(now_ms);
            self.declared.is_empty() || self.declared.iter().any(of_name)
        };
        self.said.get(name).copied().unwrap_or_else(declared)
    }
}
