//! Reads a job's history: which events it met, when, and what came with them.

use serde::Serialize;
use serde_json::Value;

use crate::{cli::words, job::time::Millis, pipeline::view::JobDetail};

/// One event of a job's way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Since the request was accepted.
    pub at_ms: u64,
    /// `admitted`, `started`, `merged`, ...
    pub event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The lifecycle events of a job, in order.
pub fn steps(detail: &JobDetail) -> Vec<Step> {
    let accepted = detail.request.created_at;
    let entries = detail.history.iter().filter_map(|entry| {
        let event = entry.kind.strip_prefix("job.")?.to_owned();
        let body: Value = serde_json::from_str(&entry.body_json).unwrap_or_default();
        Some(Step { at_ms: entry.at.since(accepted).0, event, note: note(&body) })
    });
    entries.collect()
}

fn note(body: &Value) -> Option<String> {
    let message = body.pointer("/failure/message").or_else(|| body.get("note"))?;
    message.as_str().map(|text| words::shorten(&words::clean(text), 120))
}

/// True if the job met the event.
pub fn met(detail: &JobDetail, event: &str) -> bool {
    detail.history.iter().any(|entry| entry.kind.strip_prefix("job.") == Some(event))
}

/// True if the event gave back a budget whose key begins like this.
pub fn freed(detail: &JobDetail, event: &str, budget: &str) -> bool {
    let entries = detail.history.iter().filter(|entry| entry.kind.strip_prefix("job.") == Some(event));
    entries.filter_map(|entry| serde_json::from_str::<Value>(&entry.body_json).ok()).any(|body| {
        let keys = body.get("released").and_then(Value::as_array).into_iter().flatten();
        keys.filter_map(Value::as_str).any(|key| key.starts_with(budget))
    })
}

/// True if a lost start was found again by its marker.
pub fn found_by_marker(detail: &JobDetail) -> bool {
    met(detail, "start_lost")
        && steps(detail).iter().any(|step| {
            step.event == "started" && step.note.as_ref().is_some_and(|note| note.contains("marker"))
        })
}

/// Class of the failure that ended it.
pub fn failure_class(detail: &JobDetail) -> Option<&str> {
    detail.job.outcome.as_ref()?.pointer("/failure/class")?.as_str()
}

/// `admitted 0.1  started 0.2  completed 2.0  merged 5.1 s`.
pub fn line(steps: &[Step]) -> String {
    let times = steps.iter().map(|step| {
        let seconds = words::seconds(Millis(step.at_ms));
        format!("{} {}", step.event, seconds.trim_end_matches(" s"))
    });
    format!("{} s", times.collect::<Vec<_>>().join("  "))
}
