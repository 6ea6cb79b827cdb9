//! One message for each request and receiver, made once and then kept up to date: how many of its jobs are where, which of them
//! need somebody, what it has cost so far.

use std::{collections::HashMap, sync::atomic::Ordering};

use serde_json::{Value, json};

use crate::{
    job::{
        id::RequestId,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{Command, LedgerError, mail::Mail, rows::SummaryRow},
    notify::{Handle, Outgoing, Sink},
    pipeline::{
        JobFilter,
        context::Context,
        deliver::{self, Errand},
    },
    policy::request::sha256,
    telemetry::failpoint,
};

/// Between two changes of one message.
const GAP: Millis = Millis::minutes(1);
/// Written down, and told, at a time.
const PAGE: usize = 100;
/// Jobs that need somebody, as far as a message names them.
const NAMED: usize = 20;

/// Writes down which messages are out of date, then brings those that are due up to date.
pub async fn tell(context: &Context) -> Result<(), LedgerError> {
    if context.tuning.notices.summaries.is_empty() {
        return Ok(());
    }
    look(context).await?;
    let waiting = context.ledger.summaries_waiting(i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
    let now = context.now();
    for row in waiting.iter().filter(|row| row.next_at.is_some_and(|at| at <= now)) {
        let told = bring_up_to_date(context, row.clone()).await?;
        context.record(Command::Mail(Mail::Summaries { rows: vec![told] })).await;
        failpoint::hit("summary.recorded");
    }
    let next = context.ledger.summaries_waiting(1).await?.first().and_then(|row| row.next_at);
    if let Some(at) = next {
        context.queues.notices.push(Errand::Summaries, at, Errand::Summaries);
    }
    Ok(())
}

/// Every request of which the history tells something new. The position is kept with the rows: whoever goes on after a crash
/// misses none.
async fn look(context: &Context) -> Result<(), LedgerError> {
    let head = context.ledger.head().await?.seq;
    let seen = context.outbox.summed_up.load(Ordering::Relaxed);
    let known = if seen < 0 { context.ledger.summed_up().await? } else { Some(seen) };
    let touched = match known {
        Some(known) if known >= head => Vec::new(),
        Some(known) => context.ledger.requests_touched(known, head).await?,
        // What ended before there were summaries is not told.
        None => context.ledger.requests_at_work().await?,
    };
    for page in touched.chunks(PAGE) {
        mark(context, page, head).await?;
    }
    context.outbox.summed_up.store(head, Ordering::Relaxed);
    Ok(())
}

async fn mark(context: &Context, requests: &[RequestId], head: i64) -> Result<(), LedgerError> {
    let known = context.ledger.summaries_of(requests).await?;
    let mut known: HashMap<String, SummaryRow> = known.into_iter().map(|row| (row.id.clone(), row)).collect();
    let mut rows = Vec::new();
    for request in requests {
        let shared = context.spec(*request).await?;
        let (team, template) = (&shared.request.team, &shared.request.template);
        for rule in context.tuning.notices.summaries.iter().filter(|rule| rule.fits(team, template)) {
            let id = format!("{request}/{}", rule.to);
            let row = known.remove(&id);
            let at = row.as_ref().and_then(|row| row.sent_at).map_or(Timestamp(0), |sent| sent.plus(GAP));
            let mut row = row.unwrap_or_else(|| new(id, *request, &rule.to));
            row.seq = head;
            if row.next_at.is_none() {
                (row.next_at, row.tries, row.dead_at) = (Some(at.max(context.now())), 0, None);
            }
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        context.ledger.write(Command::Mail(Mail::Summaries { rows })).await?;
    }
    Ok(())
}

fn new(id: String, request_id: RequestId, sink: &str) -> SummaryRow {
    SummaryRow {
        id,
        request_id,
        sink: sink.to_owned(),
        seq: 0,
        handle: None,
        digest: None,
        sent_at: None,
        tries: 0,
        next_at: None,
        dead_at: None,
        last_error: None,
    }
}

/// The row as it is after one try.
async fn bring_up_to_date(context: &Context, mut row: SummaryRow) -> Result<SummaryRow, LedgerError> {
    let now = context.now();
    let Some(sink) = context.sinks.get(&row.sink) else {
        (row.next_at, row.dead_at, row.last_error) = (None, Some(now), Some(deliver::gone(&row.sink)));
        return Ok(row);
    };
    let data = content(context, row.request_id).await?;
    let digest = sha256(data.to_string().as_bytes());
    if row.digest.as_ref() == Some(&digest) {
        row.next_at = None;
        return Ok(row);
    }
    let outgoing = Outgoing {
        // The same for each version of the message: the receiver finds it by this after an answer was lost.
        id: format!("summary-{}-{}", row.request_id, row.sink),
        kind: "request.summary".to_owned(),
        occurred_at: now,
        subject: row.request_id.to_string(),
        data,
        pull: None,
    };
    let told = send(sink.as_ref(), row.handle.clone(), &outgoing).await;
    failpoint::hit("summary.sent");
    match told {
        Ok(handle) => {
            (row.handle, row.digest, row.sent_at) = (handle, Some(digest), Some(now));
            (row.tries, row.next_at, row.last_error) = (0, None, None);
        }
        Err(error) => {
            row.tries = row.tries.saturating_add(1);
            row.next_at = deliver::again(context, error.kind, row.tries);
            row.dead_at = row.next_at.is_none().then_some(now);
            tracing::warn!(request = %row.request_id, sink = row.sink, error = error.message, "a summary was not told");
            row.last_error = Some(error.message);
        }
    }
    Ok(row)
}

async fn send(
    sink: &dyn Sink,
    handle: Option<String>,
    outgoing: &Outgoing,
) -> Result<Option<String>, crate::notify::SinkError> {
    match handle {
        Some(handle) => Ok(Some(sink.update(&Handle(handle), outgoing).await?.0)),
        None => Ok(sink.deliver(outgoing).await?.map(|handle| handle.0)),
    }
}

async fn content(context: &Context, request: RequestId) -> Result<Value, LedgerError> {
    let shared = context.spec(request).await?;
    let counts = context.ledger.counts(Some(request)).await?;
    let ended = counts.iter().all(|count| count.state.is_terminal());
    let states: serde_json::Map<String, Value> =
        counts.iter().map(|count| (count.state.as_str().to_owned(), json!(count.jobs))).collect();
    let mut needs = Vec::new();
    for state in [State::WaitingForUser, State::Quarantined, State::InReview] {
        let filter = JobFilter { request: Some(request), state: Some(state), ..JobFilter::default() };
        needs.extend(context.ledger.jobs(&filter).await?);
    }
    let more = needs.len().saturating_sub(NAMED);
    let named: Vec<Value> = needs
        .iter()
        .take(NAMED)
        .map(|job| {
            let url = job.pull().and_then(|pull| pull.html_url);
            json!({
                "job": job.id, "repository": job.repository, "state": job.state, "reviewer": job.reviewer, "url": url,
            })
        })
        .collect();
    let row = &shared.request;
    Ok(json!({
        "request": request, "template": format!("{}@{}", row.template, row.template_version), "team": row.team,
        "owner": row.owner, "jobs": row.jobs, "states": states, "ended": ended, "needs": named, "more": more,
        "nano_credits": context.ledger.spent_by(request).await?,
    }))
}
