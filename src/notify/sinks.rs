//! The receivers that there are, by name.

use std::{collections::BTreeMap, sync::Arc};

use crate::notify::{LogSink, Sink};

/// The log is always among them.
#[derive(Clone)]
pub struct Sinks {
    by_name: BTreeMap<String, Arc<dyn Sink>>,
    usual: Arc<dyn Sink>,
}

impl Default for Sinks {
    fn default() -> Self {
        Self::of(Vec::new())
    }
}

impl Sinks {
    /// The first is the usual one; without any, the log is. Of two with one name the later counts.
    pub fn of(sinks: Vec<Arc<dyn Sink>>) -> Self {
        let log: Arc<dyn Sink> = Arc::new(LogSink::default());
        let usual = sinks.first().map_or_else(|| Arc::clone(&log), Arc::clone);
        let all = std::iter::once(log).chain(sinks);
        Self { by_name: all.map(|sink| (sink.name().to_owned(), sink)).collect(), usual }
    }

    pub fn get(&self, name: &str) -> Option<&Arc<dyn Sink>> {
        self.by_name.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Where notices go that no route sends elsewhere.
    pub fn usual(&self) -> &Arc<dyn Sink> {
        &self.usual
    }
}
