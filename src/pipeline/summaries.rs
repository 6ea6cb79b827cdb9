//! One message for each request and receiver, made once and then kept up to date: how many of its jobs are where, which of them
//! need somebody, what it has cost so far.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::atomic::Ordering,
};

use crate::{
    budget::Amount,
    job::{
        id::RequestId,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{Command, LedgerError, mail::Mail, rows::SummaryRow},
    notify::{
        Handle,
        message::{Attention, RequestSummary},
    },
    pipeline::{
        context::Context,
        deliver::{self, Errand, LATER},
    },
    policy::{credits::show, request::sha256},
};

/// Between two looks at what one message says.
const GAP: Millis = Millis::minutes(1);
/// Written down, and told, at a time.
const PAGE: usize = 100;
/// After a message was given up, until it is tried again.
const REST: Millis = Millis::hours(1);
/// What ended longer ago gets no first message.
const PAST: Millis = Millis::hours(24);

/// Writes down which messages are out of date, then brings those that are due up to date.
pub async fn tell(context: &Context) -> Result<(), LedgerError> {
    if context.tuning.notices.summaries.is_empty() {
        return Ok(());
    }
    look(context).await?;
    let waiting = context.ledger.summaries_waiting(i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
    let now = context.now();
    for row in waiting.iter().filter(|row| row.next_at.is_some_and(|at| at <= now)) {
        if !deliver::may_go_on(context) {
            break;
        }
        let told = match bring_up_to_date(context, row.clone()).await {
            Err(error @ LedgerError::Corrupt(_)) => unreadable(context, row.clone(), &error),
            told => told?,
        };
        context.record(Command::Mail(Mail::Summaries { rows: vec![told] })).await;
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
    let mut known: HashMap<(RequestId, String), SummaryRow> =
        known.into_iter().map(|row| ((row.request_id, row.sink.clone()), row)).collect();
    let alive = alive(context, requests, &known).await?;
    let mut rows = Vec::new();
    for request in requests {
        let shared = match context.spec(*request).await {
            Err(error @ LedgerError::Corrupt(_)) => {
                tracing::warn!(%error, %request, "a request cannot be summed up");
                continue;
            }
            shared => shared?,
        };
        let (team, template) = (&shared.request.team, &shared.request.template);
        let rules = context.tuning.notices.summaries.iter().filter(|rule| rule.fits(team, template));
        // Several rules may name one receiver.
        for to in rules.map(|rule| rule.to.as_str()).collect::<BTreeSet<&str>>() {
            let row = known.remove(&(*request, to.to_owned()));
            if row.is_none() && !alive.contains(request) {
                continue;
            }
            let tried = row.as_ref().and_then(|row| {
                row.dead_at.map(|dead| dead.plus(REST)).or(row.sent_at.map(|sent| sent.plus(GAP)))
            });
            let at = tried.unwrap_or(Timestamp(0));
            let mut row = row.unwrap_or_else(|| new(*request, to));
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

/// Of those that some receiver may not have yet, the ones that are worth a first message: after a rule was written or
/// widened, the history tells of many that are long over.
async fn alive(
    context: &Context,
    requests: &[RequestId],
    known: &HashMap<(RequestId, String), SummaryRow>,
) -> Result<HashSet<RequestId>, LedgerError> {
    let summaries = &context.tuning.notices.summaries;
    let has = |request: &RequestId, to: &str| known.contains_key(&(*request, to.to_owned()));
    let lacks = |request: &&RequestId| summaries.iter().any(|rule| !has(request, &rule.to));
    let lacking: Vec<RequestId> = requests.iter().filter(lacks).copied().collect();
    let alive = context.ledger.requests_alive(&lacking, context.now().minus(PAST)).await?;
    Ok(alive.into_iter().collect())
}

/// The row, given up: what it is to tell cannot be read.
fn unreadable(context: &Context, row: SummaryRow, error: &LedgerError) -> SummaryRow {
    tracing::warn!(%error, request = %row.request_id, "a request cannot be summed up");
    SummaryRow { next_at: None, dead_at: Some(context.now()), last_error: Some(error.to_string()), ..row }
}

fn new(request_id: RequestId, sink: &str) -> SummaryRow {
    SummaryRow {
        id: format!("{request_id}/{sink}"),
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
    let (mut summary, since) = sum_up(context, row.request_id).await?;
    // What it says, whenever it is said: that time goes by is nothing new.
    let digest = sha256(serde_json::to_string(&summary).unwrap_or_default().as_bytes());
    if row.digest.as_ref() == Some(&digest) {
        (row.next_at, row.sent_at) = (None, Some(now));
        return Ok(row);
    }
    summary.left = context.time_left(row.request_id, &summary.counts).await?;
    summary.at = now.to_string();
    // The same for each version of the message: the receiver finds it by this after an answer was lost.
    let outgoing = summary.outgoing(format!("summary-{}-{}", row.request_id, row.sink), since);
    let handle = row.handle.clone().map(Handle);
    let Some(told) = context.hand_over(sink.as_ref(), outgoing, handle.as_ref()).await else {
        row.next_at = Some(now.plus(LATER));
        return Ok(row);
    };
    match told {
        Ok(handle) => {
            row.handle = handle.map(|Handle(handle)| handle);
            (row.digest, row.sent_at) = (Some(digest), Some(now));
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

/// What a job in this state needs somebody for.
const fn need(state: State) -> Option<&'static str> {
    match state {
        State::WaitingForUser => Some("the agent waits for an answer"),
        State::Quarantined => Some("its result must not be used until a person has looked"),
        State::InReview => Some("waits for its review"),
        _ => None,
    }
}

/// How a request stands, and since when it has been there.
async fn sum_up(context: &Context, request: RequestId) -> Result<(RequestSummary, Timestamp), LedgerError> {
    let shared = context.spec(request).await?;
    let counts = context.ledger.counts(Some(request)).await?;
    let needing: u64 = counts.iter().filter(|c| need(c.state).is_some()).map(|c| c.jobs.unsigned_abs()).sum();
    let mut needs = Vec::new();
    for job in context.ledger.jobs_for_somebody(request).await? {
        let Some(what) = need(job.state) else { continue };
        let by = job.reviewer.as_ref().filter(|_| job.state == State::InReview);
        needs.push(Attention {
            link: job.pull().and_then(|pull| pull.html_url),
            job: job.id.short(),
            repository: job.repository.to_string(),
            what: by.map_or_else(|| what.to_owned(), |by| format!("{what} by {by}")),
        });
    }
    let row = &shared.request;
    let spent = Amount::new(context.ledger.spent_by(request).await?).ok();
    let summary = RequestSummary {
        request: request.to_string(),
        template: format!("{}@{}", row.template, row.template_version),
        team: row.team.clone(),
        owner: row.owner.clone(),
        over: counts.iter().all(|count| count.state.is_terminal()),
        counts: counts
            .iter()
            .map(|count| (count.state.as_str().to_owned(), count.jobs.unsigned_abs()))
            .collect(),
        more: needing.saturating_sub(needs.len() as u64),
        attention: needs,
        spent: spent.filter(|spent| *spent > Amount::ZERO).map(show),
        left: None,
        at: String::new(),
    };
    Ok((summary, row.created_at))
}
