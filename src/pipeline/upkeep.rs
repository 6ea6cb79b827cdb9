//! Housekeeping at every sweep: the lease, expired holds, deadlines, workers that are gone, and what the gate has missed.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use serde_json::json;

use crate::{
    job::{
        id::{JobId, WorkerId},
        lifecycle::Event,
        state::State,
    },
    ledger::{
        Command, LedgerError,
        rows::{AttemptRow, Phase},
    },
    pipeline::{
        context::{Context, Work},
        feed,
    },
};

/// Queued jobs compared with the gate at a time.
const PAGE: i64 = 2_000;

pub async fn run(context: Arc<Context>) {
    if let Err(error) = sweep(&context).await {
        tracing::warn!(error = format!("{error:#}"), "housekeeping will be tried again");
    }
}

async fn sweep(context: &Context) -> anyhow::Result<()> {
    let now = context.now();
    let lease_until = now.plus(context.tuning.lease);
    let renewed = context.ledger.write(Command::Renew { worker: context.fence.worker, lease_until }).await?;
    if renewed.is_stale() {
        tracing::error!("this worker's life was ended by another process; it stops");
        context.shutdown.cancel();
        return Ok(());
    }
    if context.ledger.next_expiry().await?.is_some_and(|at| at <= now) {
        context.ledger.write(Command::RollOver).await?;
    }
    if let Some(at) = context.ledger.next_expiry().await? {
        context.queues.upkeep.beat_at(at);
    }
    for job in context.ledger.jobs_past_deadline(now).await? {
        let note = Some("its deadline passed before it could start".to_owned());
        context
            .ledger
            .write(Command::Step {
                job: job.id,
                event: Event::Expired,
                pull: None,
                failure: None,
                note,
                due_at: None,
            })
            .await?;
    }
    overdue(context).await?;
    take_over(context).await?;
    feed::deliver_due(context).await?;
    compare_if_apart(context).await
}

/// Reads every waiting job only when ledger and gate have counted apart twice in a row: a commit on its way to the gate is
/// no difference, and a million waiting jobs must not be read at each sweep.
async fn compare_if_apart(context: &Context) -> anyhow::Result<()> {
    let counts = context.ledger.counts(None).await?;
    let queued = counts.iter().find(|count| count.state == State::Queued).map_or(0, |count| count.jobs);
    let known = context.gate.counts().await?;
    let at_gate = known.waiting.saturating_add(known.timed_jobs).saturating_add(known.proposed);
    if u64::try_from(queued) == Ok(at_gate) {
        context.apart.store(false, Ordering::Relaxed);
        return Ok(());
    }
    if context.apart.swap(true, Ordering::Relaxed) {
        compare(context).await?;
    }
    Ok(())
}

/// Tells once about a task that takes suspiciously long.
async fn overdue(context: &Context) -> Result<(), LedgerError> {
    for (task, followed) in context.tracker.overdue(&context.tuning.cadence, context.now()) {
        let dedup = format!("{}/overdue", followed.attempt);
        let body = json!({ "task": task, "remote_state": followed.remote, "started_at": followed.started_at.to_string() });
        let kind = "job.overdue".to_owned();
        context.ledger.write(Command::Notice { dedup, kind, job: Some(followed.job), body }).await?;
    }
    Ok(())
}

/// Takes over what a worker left whose lease is over.
pub async fn take_over(context: &Context) -> Result<(), LedgerError> {
    let now = context.now();
    let workers = context.ledger.workers().await?;
    let lives: HashSet<WorkerId> = workers
        .into_iter()
        .filter(|worker| worker.stopped_at.is_none() && worker.lease_until > now)
        .map(|worker| worker.id)
        .collect();
    for phase in [Phase::Intent, Phase::Unknown, Phase::Live, Phase::Done] {
        for attempt in context.ledger.attempts_in(phase).await? {
            if attempt.token != context.fence.token && !lives.contains(&attempt.worker_id) {
                adopt(context, attempt).await?;
            }
        }
    }
    Ok(())
}

async fn adopt(context: &Context, attempt: AttemptRow) -> Result<(), LedgerError> {
    let (job, id, fence) = (attempt.job_id, attempt.id, context.fence);
    if context.ledger.write(Command::TakeOver { job, attempt: id, fence }).await?.is_stale() {
        return Ok(());
    }
    if attempt.phase == Phase::Intent {
        // Whether its worker sent the start cannot be known.
        let why = "its worker ended between intent and answer".to_owned();
        context.ledger.write(Command::StartLost { job, attempt: id, fence, why }).await?;
    }
    let (Some(row), Some(attempt)) = (context.ledger.job(job).await?, context.ledger.attempt(id).await?)
    else {
        return Ok(());
    };
    pick_up(context, Work { job: row, attempt }).await
}

/// Goes on with an attempt that this worker drives.
pub async fn pick_up(context: &Context, work: Work) -> Result<(), LedgerError> {
    let now = context.now();
    let identity = work.attempt.identity.clone();
    match work.attempt.phase {
        Phase::Unknown => context.queues.recover.push(work.attempt.id, now, work),
        Phase::Live | Phase::Done => {
            context.tracker.learn(&work.job, &work.attempt, now);
            context.queues.track.push(identity.clone(), now, identity);
            feed::hand_on(context, &work.job, Some(&work.attempt), now).await?;
        }
        Phase::Intent | Phase::Ended => {}
    }
    Ok(())
}

/// Offers what the ledger says is waiting and the gate does not know; withdraws what no longer waits.
pub async fn compare(context: &Context) -> anyhow::Result<()> {
    let known: HashSet<JobId> = context.gate.jobs().await?.into_iter().collect();
    let mut waiting = HashSet::with_capacity(known.len());
    let mut after = -1;
    loop {
        let page = context.ledger.jobs_in(State::Queued, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        let mut missing = Vec::new();
        for job in &page {
            waiting.insert(job.id);
            if !known.contains(&job.id) {
                missing.push(feed::offer(context, job).await?);
            }
        }
        if !missing.is_empty() {
            let now = context.now();
            let new = context.gate.offer(missing, now).await?;
            tracing::debug!(new, "offered to the gate by the sweep");
            context.queues.admit.poke();
        }
    }
    // Only what was known before the ledger was read can be judged by it.
    let gone: Vec<JobId> = known.difference(&waiting).copied().collect();
    let mut over = Vec::new();
    for job in gone.into_iter().take(1_000) {
        if context.ledger.job(job).await?.is_none_or(|row| row.state != State::Queued) {
            over.push(job);
        }
    }
    context.gate.withdraw(&over).await?;
    Ok(())
}
