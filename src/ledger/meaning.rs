//! From the history to what those outside are told of it: which entries are events, dead letters, or name a notice. Pure.

use serde::Deserialize;

use crate::{
    job::{id::JobId, state::State},
    ledger::{OURSELVES, rows::EntryRow},
};

/// The fields of an event, with what they mean. The order is that of the entry; a field without a value is left out.
pub const EVENT_FIELDS: &[(&str, &str)] = &[
    ("at", "when it was recorded, RFC 3339 in UTC"),
    ("kind", "what happened, such as job.admitted"),
    ("request", "id of the request"),
    ("key", "idempotency key of the request that was accepted"),
    ("template", "name@version of the request that was accepted"),
    ("jobs", "how many jobs the request that was accepted has"),
    ("job", "id of the job"),
    ("state", "the job's state from now on"),
    ("attempt", "id of the attempt"),
    ("task", "id of the task at the agent's provider"),
    ("pull", "number of the pull request"),
    ("new_job", "id of the job that replaces a dead letter"),
    ("budget", "key of the budget or gate"),
    ("limit", "the budget's limit from now on; left out: the configured one"),
    ("opens_at", "when the gate opens by itself, RFC 3339 in UTC"),
    ("actor", "who did it, if it was a person"),
    ("reason", "why, as it was given"),
];

/// Kinds that tell nothing to those outside: sightings without a consequence, housekeeping, and the delivery of notices.
const SILENT: &[&str] = &["attempt.seen", "attempt.taken_over", "budget.rolled_over"];
/// Beginnings of the kinds that are events.
const LOUD: &[&str] = &["request.", "job.", "attempt.", "budget."];

/// What is read of an entry's body; the rest of it is for the record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    to: Option<State>,
    template: Option<String>,
    idempotency_key: Option<String>,
    jobs: Option<i64>,
    task: Option<String>,
    pull: Option<u64>,
    new_job: Option<String>,
    budget: Option<String>,
    limit: Option<u64>,
    opens_at: Option<String>,
    reason: Option<String>,
    why: Option<String>,
    note: Option<String>,
    failure: Option<Failure>,
    dedup: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Failure {
    message: Option<String>,
}

/// Field names and values, in order.
pub type Words = Vec<(&'static str, String)>;

/// What one entry of the history means for those outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meaning {
    pub position: i64,
    pub event: Option<Words>,
    /// It became a dead letter.
    pub dead: Option<JobId>,
    /// It is a dead letter no more: retried or discarded.
    pub done_with: Option<JobId>,
    /// The notices that it may have brought, by what makes them single.
    pub notices: Vec<String>,
}

/// Reads an entry. A body that cannot be read gives what the entry itself says.
pub fn meaning(entry: &EntryRow) -> Meaning {
    let body: Body = serde_json::from_str(&entry.body_json).unwrap_or_default();
    let mut meaning = Meaning { position: entry.seq, ..Meaning::default() };
    meaning.dead = entry.job_id.filter(|_| body.to == Some(State::Dead));
    let kind = entry.kind.as_str();
    meaning.done_with = entry.job_id.filter(|_| matches!(kind, "job.replayed" | "job.dead_letter_discarded"));
    meaning.notices.extend(body.dedup.clone());
    let brought = match body.to {
        Some(State::WaitingForUser) => Some("job.needs_user"),
        Some(State::Dead) => Some("job.dead"),
        Some(State::Quarantined) => Some("job.quarantined"),
        _ => None,
    };
    if let (Some(brought), Some(job)) = (brought, entry.job_id) {
        meaning.notices.push(format!("{job}/{brought}/{}", entry.seq));
    }
    if LOUD.iter().any(|begin| kind.starts_with(begin)) && !SILENT.contains(&kind) {
        meaning.event = Some(event(entry, body));
    }
    meaning
}

fn event(entry: &EntryRow, body: Body) -> Words {
    let reason = body.reason.or(body.why).or(body.note).or(body.failure.and_then(|failure| failure.message));
    let values: [Option<String>; 17] = [
        Some(entry.at.to_string()),
        Some(entry.kind.clone()),
        entry.request_id.map(|id| id.to_string()),
        body.idempotency_key,
        body.template,
        body.jobs.map(|jobs| jobs.to_string()),
        entry.job_id.map(|id| id.to_string()),
        body.to.map(|state| state.as_str().to_owned()),
        entry.attempt_id.map(|id| id.to_string()),
        body.task,
        body.pull.map(|number| number.to_string()),
        body.new_job,
        body.budget,
        body.limit.map(|limit| limit.to_string()),
        body.opens_at,
        (entry.actor != OURSELVES).then(|| entry.actor.clone()),
        reason,
    ];
    let named = EVENT_FIELDS.iter().map(|(name, _)| *name).zip(values);
    named.filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{id::RequestId, time::Timestamp};

    fn entry(kind: &str, body: &str) -> EntryRow {
        EntryRow {
            seq: 7,
            at: Timestamp(1_000),
            kind: kind.to_owned(),
            request_id: Some(RequestId::new(Timestamp(1), 1)),
            job_id: Some(JobId::new(Timestamp(1), 2)),
            attempt_id: None,
            actor: "sluicegate".to_owned(),
            body_json: body.to_owned(),
            prev: String::new(),
            hash: String::new(),
            salt: None,
            digest: None,
            redacted: None,
        }
    }

    fn value(meaning: &Meaning, name: &str) -> Option<String> {
        let words = meaning.event.as_ref()?;
        words.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }

    #[test]
    fn a_change_of_state_is_an_event_with_its_reason() {
        let found = meaning(&entry(
            "job.retry",
            r#"{"from":"running","to":"queued","failure":{"message":"no runner"}}"#,
        ));
        assert_eq!(value(&found, "state").as_deref(), Some("queued"));
        assert_eq!(value(&found, "reason").as_deref(), Some("no runner"));
        assert_eq!(value(&found, "actor"), None);
        assert_eq!(found.dead, None);
    }

    #[test]
    fn a_death_is_a_dead_letter_and_names_its_notice() {
        let entry = entry("job.failed", r#"{"from":"running","to":"dead"}"#);
        let found = meaning(&entry);
        assert_eq!(found.dead, entry.job_id);
        assert_eq!(found.notices, [format!("{}/job.dead/7", entry.job_id.unwrap())]);
    }

    #[test]
    fn a_retried_or_discarded_letter_is_done_with() {
        for kind in ["job.replayed", "job.dead_letter_discarded"] {
            let entry = entry(kind, r#"{"from":"dead","reason":"try again"}"#);
            let found = meaning(&entry);
            assert_eq!((found.done_with, found.dead), (entry.job_id, None));
        }
    }

    #[test]
    fn housekeeping_is_no_event_and_an_unreadable_body_harms_nothing() {
        assert_eq!(meaning(&entry("worker.stopped", "{}")).event, None);
        assert_eq!(meaning(&entry("attempt.seen", "{}")).event, None);
        assert!(meaning(&entry("job.started", "no json")).event.is_some());
    }
}
