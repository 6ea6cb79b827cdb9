//! From entries to what becomes of them: read, planned, and written to the ledger together. It acknowledges nothing.

use std::{sync::Arc, time::Duration};

use crate::{
    intake::redis::{
        entry::Entry,
        refusal::{Code, Refusal},
    },
    job::time::Timestamp,
    pipeline::{Context, Draft, LedgerError, SubmitError},
    policy::{Facts, Request},
};

/// Between two tries at a ledger that cannot be written.
const WAIT_FIRST: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Entries planned at once, at most: planning takes a whole core each.
const PLANNERS_MAX: usize = 4;

/// What becomes of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The ledger has its request.
    Accepted,
    Refused(Refusal),
    /// What must be known could not be asked; it stays as it is until then.
    Later(Timestamp),
}

/// An entry with the idempotency key for a request that brings none.
#[derive(Clone, Debug)]
pub struct Keyed {
    pub entry: Arc<Entry>,
    pub key: String,
}

/// An entry after planning.
enum Planned {
    Draft(Box<Draft>),
    /// The request is kept, as far as it could be read: it may have been accepted under an earlier policy.
    Refused(Refusal, Option<Box<Request>>),
    Later(Timestamp),
    /// Removed from the stream: nothing is left to do.
    Gone,
}

/// What becomes of each entry, in their order. Waits for a ledger that cannot be written; None: told to stop meanwhile.
pub async fn accept(context: &Arc<Context>, batch: &[Keyed], bytes_max: usize) -> Option<Vec<Fate>> {
    let surveyed = survey_all(context, batch, bytes_max).await?;
    let planned = plan_all(context, &surveyed, bytes_max).await;
    let mut wait = WAIT_FIRST;
    let mut fates: Vec<Option<Fate>> = planned.iter().map(|_| None).collect();
    loop {
        match settle(context, &planned, &mut fates).await {
            Ok(()) => return fates.into_iter().collect(),
            Err(error) => tracing::warn!(%error, "requests wait for the ledger; next try in {wait:?}"),
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.shutdown.cancelled() => return None,
        }
        wait = wait.saturating_mul(2).min(WAIT_MAX);
    }
}

/// An entry with what its plan must know.
#[derive(Clone)]
struct Surveyed {
    keyed: Keyed,
    /// Err: not before then.
    facts: Result<Arc<Facts>, Timestamp>,
}

/// Finds out what the plans must know; nobody is asked where no rule and no template wants to know anything. None: told to stop
/// while the ledger could not be read.
async fn survey_all(context: &Arc<Context>, batch: &[Keyed], bytes_max: usize) -> Option<Vec<Surveyed>> {
    let nothing = Arc::new(Facts::default());
    let mut surveyed = Vec::with_capacity(batch.len());
    for keyed in batch {
        let request =
            if context.policy.surveys() { keyed.entry.request(&keyed.key, bytes_max).ok() } else { None };
        let facts = match request {
            Some(request) => survey(context, &request).await?,
            // What cannot be read is told when it is planned.
            None => Ok(Arc::clone(&nothing)),
        };
        surveyed.push(Surveyed { keyed: keyed.clone(), facts });
    }
    Some(surveyed)
}

async fn survey(context: &Context, request: &Request) -> Option<Result<Arc<Facts>, Timestamp>> {
    let mut wait = WAIT_FIRST;
    loop {
        // What was accepted before is not asked about again.
        let known = context.accepted_before(request).await;
        let error = match known {
            Ok(Some(_)) => return Some(Ok(Arc::default())),
            Ok(None) => match context.survey(request).await {
                Ok(facts) => return Some(Ok(Arc::new(facts))),
                Err(SubmitError::Later { why, until }) => {
                    tracing::warn!(why, %until, "a request from Redis waits for the provider");
                    return Some(Err(until));
                }
                Err(SubmitError::Ledger(error)) => error,
                // The plan says so again, with its reasons.
                Err(SubmitError::Invalid(_) | SubmitError::Conflict(_)) => return Some(Ok(Arc::default())),
            },
            Err(error) => error,
        };
        tracing::warn!(%error, "requests wait for the ledger; next try in {wait:?}");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.shutdown.cancelled() => return None,
        }
        wait = wait.saturating_mul(2).min(WAIT_MAX);
    }
}

/// Planning is work for the processor: it runs beside the runtime, on several cores.
async fn plan_all(context: &Arc<Context>, batch: &[Surveyed], bytes_max: usize) -> Vec<Planned> {
    let planners = std::thread::available_parallelism().map_or(1, usize::from).min(PLANNERS_MAX);
    let parts = batch.chunks(batch.len().div_ceil(planners).max(1));
    let running: Vec<_> = parts.map(|part| (part, plan_beside(context, part.to_vec(), bytes_max))).collect();
    let mut planned = Vec::with_capacity(batch.len());
    for (part, task) in running {
        match task.await {
            Ok(done) => planned.extend(done),
            Err(_) => {
                // One of them made the planner panic; the others must not suffer for it.
                for surveyed in part {
                    let alone = plan_beside(context, vec![surveyed.clone()], bytes_max).await;
                    let refusal =
                        || Refusal::new(Code::Internal, "planning this request failed: report this");
                    planned.extend(alone.unwrap_or_else(|_| vec![Planned::Refused(refusal(), None)]));
                }
            }
        }
    }
    planned
}

fn plan_beside(
    context: &Arc<Context>,
    part: Vec<Surveyed>,
    bytes_max: usize,
) -> tokio::task::JoinHandle<Vec<Planned>> {
    let context = Arc::clone(context);
    tokio::task::spawn_blocking(move || {
        part.iter().map(|surveyed| plan(&context, surveyed, bytes_max)).collect()
    })
}

fn plan(context: &Context, Surveyed { keyed, facts }: &Surveyed, bytes_max: usize) -> Planned {
    if keyed.entry.fields.is_none() {
        return Planned::Gone;
    }
    let request = match keyed.entry.request(&keyed.key, bytes_max) {
        Ok(request) => request,
        Err(refusal) => return Planned::Refused(refusal, None),
    };
    let facts = match facts {
        Ok(facts) => facts,
        Err(until) => return Planned::Later(*until),
    };
    match context.draft(&request, facts) {
        Ok(draft) => Planned::Draft(Box::new(draft)),
        Err(SubmitError::Invalid(problems)) => {
            Planned::Refused(Refusal::invalid(problems), Some(Box::new(request)))
        }
        Err(error) => Planned::Refused(Refusal::new(Code::Internal, error.to_string()), None),
    }
}

/// Finds the fate of every entry that has none yet. Err: the ledger could not be read or written for some of them.
async fn settle(
    context: &Context,
    planned: &[Planned],
    fates: &mut [Option<Fate>],
) -> Result<(), LedgerError> {
    let mut drafts = Vec::new();
    let mut places = Vec::new();
    for (place, (planned, fate)) in planned.iter().zip(fates.iter_mut()).enumerate() {
        match planned {
            _ if fate.is_some() => {}
            Planned::Gone => *fate = Some(Fate::Accepted),
            Planned::Later(until) => *fate = Some(Fate::Later(*until)),
            Planned::Refused(refusal, request) => {
                *fate = Some(refused(context, refusal, request.as_deref()).await?);
            }
            Planned::Draft(draft) => {
                drafts.push(Draft::clone(draft));
                places.push(place);
            }
        }
    }
    let mut failed = None;
    for (place, answer) in places.into_iter().zip(context.record_drafts(&drafts).await) {
        let key = match planned.get(place) {
            Some(Planned::Draft(draft)) => draft.idempotency_key(),
            _ => None,
        };
        match answered(context, key, answer).await {
            Ok(found) => {
                if let Some(fate) = fates.get_mut(place) {
                    *fate = Some(found);
                }
            }
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// A request that is refused today may have been accepted when it was delivered before.
async fn refused(
    context: &Context,
    refusal: &Refusal,
    request: Option<&Request>,
) -> Result<Fate, LedgerError> {
    let known = match request {
        Some(request) => context.accepted_before(request).await?.is_some(),
        None => false,
    };
    Ok(if known { Fate::Accepted } else { Fate::Refused(refusal.clone()) })
}

async fn answered<T>(
    context: &Context,
    key: Option<&str>,
    answer: Result<T, SubmitError>,
) -> Result<Fate, LedgerError> {
    match answer {
        Ok(_) => Ok(Fate::Accepted),
        Err(SubmitError::Invalid(problems)) => Ok(Fate::Refused(Refusal::invalid(problems))),
        Err(SubmitError::Later { until, .. }) => Ok(Fate::Later(until)),
        Err(SubmitError::Conflict(why)) => {
            let known = match key {
                Some(key) => context.ledger.request_by_idempotency_key(key).await?.is_some(),
                None => false,
            };
            let code = if known { Code::IdempotencyConflict } else { Code::TemplateChanged };
            Ok(Fate::Refused(Refusal::new(code, why)))
        }
        // The store has read it and will not take it: another try would end the same.
        Err(SubmitError::Ledger(error @ LedgerError::Refused(_))) => {
            Ok(Fate::Refused(Refusal::new(Code::Internal, error.to_string())))
        }
        Err(SubmitError::Ledger(error)) => Err(error),
    }
}
