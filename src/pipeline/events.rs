//! The history as those outside are told of it: what happened to requests, jobs, attempts and budgets, in order.

use serde_json::{Map, Value};

use crate::{
    job::id::{JobId, RequestId},
    ledger::{LedgerError, meaning::meaning},
    pipeline::context::Context,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Of the history.
    pub position: i64,
    pub kind: String,
    pub request: Option<RequestId>,
    pub job: Option<JobId>,
    /// As `docs/schemas/event.schema.json` has it.
    pub body: Value,
}

/// A part of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// Up to here, this position included.
    pub upto: i64,
    pub events: Vec<Event>,
}

impl Context {
    /// What happened after a position; None: nothing was written. At most `limit` entries are read.
    pub async fn events_after(&self, position: i64, limit: i64) -> Result<Option<Chapter>, LedgerError> {
        let entries = self.ledger.entries_after(position, limit).await?;
        let Some(last) = entries.last() else { return Ok(None) };
        let upto = last.seq;
        let events = entries.iter().filter_map(|entry| {
            let words = meaning(entry).event?;
            let body: Map<String, Value> =
                words.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
            Some(Event {
                position: entry.seq,
                kind: entry.kind.clone(),
                request: entry.request_id,
                job: entry.job_id,
                body: Value::Object(body),
            })
        });
        Ok(Some(Chapter { upto, events: events.collect() }))
    }
}
