//! The names of the streams. They are a public contract: producers and consumers write them down.

/// The streams of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// `prefix` begins every name, as in `sluice:requests`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }
    /// Where producers put requests.
    pub fn requests(&self) -> String {
        self.of("requests")
    }
    /// Requests that were not accepted, with the reason.
    pub fn rejected(&self) -> String {
        self.of("rejected")
    }
    /// What happens to requests, jobs and budgets.
    pub fn events(&self) -> String {
        self.of("events")
    }
    /// Dead letters that nobody has retried or discarded.
    pub fn dead(&self) -> String {
        self.of("dead")
    }
    /// Messages to people.
    pub fn notices(&self) -> String {
        self.of("notices")
    }
    /// Held by the worker that is writing the streams just now.
    pub fn publisher(&self) -> String {
        self.of("publisher")
    }
    fn of(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }
}
