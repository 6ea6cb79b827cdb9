//! After every commit: tells the gate the new figures and hands each changed job to the step that comes next. What is lost here by a
//! crash is found again by `resume`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{
    budget::Class,
    gate::{GateClosed, Offer},
    job::{
        id::{AttemptId, JobId},
        role::Role,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{
        Committed, LedgerError,
        rows::{AttemptRow, JobRow, Phase},
    },
    pipeline::{
        context::{Context, SharedSpec, Work},
        logged, nudge, outbox, pick_up,
    },
    telemetry::failpoint,
};

/// Between two tries to hand on a commit; doubles up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Runs until the ledger's writer ends.
pub async fn run(context: Arc<Context>, mut commits: mpsc::UnboundedReceiver<Arc<Committed>>) {
    let mut batch = Vec::new();
    while commits.recv_many(&mut batch, 64).await > 0 {
        failpoint::hit("feed.received");
        let position = batch.iter().filter(|commit| commit.after < commit.seq).map(|commit| commit.seq).max();
        for committed in batch.drain(..) {
            logged::moved(&committed);
            context.trace(&committed).await;
            hand_on_all(&context, &committed).await;
        }
        if let Some(position) = position {
            context.news.tell(position).await;
        }
    }
}

/// Until it is done, or the next life does it: the ledger may be away for a moment, and nobody else knows of what this worker has
/// come to drive. To be told twice is no harm.
async fn hand_on_all(context: &Context, committed: &Committed) {
    let mut wait = AGAIN.0;
    while let Err(error) = take_in(context, committed).await {
        tracing::warn!(
            error = format!("{error:#}"),
            "a commit will be handed on again in {} ms",
            wait.as_millis()
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = context.shutdown.cancelled() => return,
        }
        wait = wait.saturating_mul(2).min(AGAIN.1);
    }
}

/// Hands on one commit: first to the steps of this process, which must go on while the gate cannot be reached.
pub async fn take_in(context: &Context, committed: &Committed) -> anyhow::Result<()> {
    let now = context.now();
    context.closures.learn(&committed.truths);
    let attempts: HashMap<AttemptId, &AttemptRow> =
        committed.attempts.iter().map(|row| (row.id, row)).collect();
    let mut waiting = Vec::new();
    let mut gone = Vec::new();
    for job in &committed.jobs {
        let attempt = job.attempt_id.and_then(|id| attempts.get(&id).copied());
        match job.state {
            State::Queued => waiting.push(job),
            State::Cancelled | State::Dead | State::Rejected if attempt.is_none() => gone.push(job.id),
            _ => hand_on(context, job, attempt, now).await?,
        }
        if attempt.is_none() {
            context.tracker.learn_job(job);
        }
    }
    for attempt in &committed.attempts {
        follow(context, committed, attempt, now).await?;
    }
    nudge::look_soon(context, &committed.happened.concerned).await?;
    if committed.notices {
        outbox::take_up_new(context);
    }
    if let Err(closed) = tell_gate(context, committed, &waiting, &gone).await? {
        context.gate_missed(&closed);
    }
    context.queues.admit.poke();
    Ok(())
}

/// What the gate has to know of a commit.
async fn tell_gate(
    context: &Context,
    committed: &Committed,
    waiting: &[&JobRow],
    gone: &[JobId],
) -> Result<Result<(), GateClosed>, LedgerError> {
    let mut offers = Vec::with_capacity(waiting.len());
    for job in waiting {
        offers.push(offer(context, job).await?);
    }
    let now = context.now();
    let tell = async {
        if !committed.truths.is_empty() {
            context.gate.observe(&committed.truths, now).await?;
        }
        if !offers.is_empty() {
            context.gate.offer(offers, now).await?;
        }
        if !gone.is_empty() {
            context.gate.withdraw(gone).await?;
        }
        Ok(())
    };
    Ok(tell.await)
}

/// Puts the job into the queue of the step that its state asks for.
pub async fn hand_on(
    context: &Context,
    job: &JobRow,
    attempt: Option<&AttemptRow>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let queue = match job.state {
        State::Starting => &context.queues.start,
        State::StartUnknown => &context.queues.recover,
        State::Verifying => {
            let work = work(context, job, attempt).await?.filter(|work| is_mine(context, &work.attempt));
            if let Some(work) = work {
                context.queues.settle.push(job.id, now, work);
            }
            return Ok(());
        }
        State::InReview => {
            if let Some(work) = work(context, job, attempt).await? {
                pick_up::review(context, &work.job, &work.attempt);
            }
            return Ok(());
        }
        State::Held
        | State::Queued
        | State::Running
        | State::WaitingForUser
        | State::Quarantined
        | State::Succeeded
        | State::Rejected
        | State::Dead
        | State::Cancelled => return Ok(()),
    };
    if let Some(work) = work(context, job, attempt).await?.filter(|work| is_mine(context, &work.attempt)) {
        queue.push(work.attempt.id, now, work);
    }
    Ok(())
}

/// True if this worker drives the attempt.
fn is_mine(context: &Context, attempt: &AttemptRow) -> bool {
    attempt.worker_id == context.fence.worker
}

async fn work(
    context: &Context,
    job: &JobRow,
    attempt: Option<&AttemptRow>,
) -> Result<Option<Work>, LedgerError> {
    let attempt = match (attempt, job.attempt_id) {
        (Some(attempt), _) => Some(attempt.clone()),
        (None, Some(id)) => context.ledger.attempt(id).await?,
        (None, None) => None,
    };
    Ok(attempt.map(|attempt| Work { job: job.clone(), attempt }))
}

/// Keeps the tracker in step with an attempt, and looks for a cancelled job's lost start too.
async fn follow(
    context: &Context,
    committed: &Committed,
    attempt: &AttemptRow,
    now: Timestamp,
) -> Result<(), LedgerError> {
    if !is_mine(context, attempt) {
        if let Some(task) = &attempt.task_id {
            context.tracker.forget(task);
        }
        return Ok(());
    }
    let read = match committed.job(attempt.job_id) {
        Some(_) => None,
        None => context.ledger.job(attempt.job_id).await?,
    };
    let Some(job) = committed.job(attempt.job_id).or(read.as_ref()) else { return Ok(()) };
    if context.life.has(Role::Track) && context.tracker.learn(job, attempt, now) {
        let at = now.plus(Millis(context.tuning.cadence.running_ms));
        context.queues.track.push(attempt.identity.clone(), at, attempt.identity.clone());
    }
    // One that was taken over, or that belongs to a cancelled job: no change of its job tells of it.
    let lost = matches!(job.state, State::Cancelled | State::StartUnknown);
    if attempt.phase == Phase::Unknown && lost && !context.queues.recover.knows(&attempt.id) {
        context.queues.recover.push(attempt.id, now, Work { job: job.clone(), attempt: attempt.clone() });
    }
    Ok(())
}

/// The job as the gate needs it.
pub async fn offer(context: &Context, job: &JobRow) -> Result<Offer, LedgerError> {
    let shared = context.spec(job.request_id).await?;
    Ok(offer_of(context, job, &shared))
}

/// As `offer`, for a request that is at hand.
pub fn offer_of(context: &Context, job: &JobRow, shared: &SharedSpec) -> Offer {
    let demands = context.policy.rules.demands(&job.subject(&shared.request, &shared.spec));
    Offer {
        job: job.id,
        class: Arc::new(Class::new(demands)),
        band: job.priority,
        flow: Arc::clone(&shared.flow),
        weight: shared.spec.weight,
        order: job.position,
        due_at: job.due_at,
    }
}
