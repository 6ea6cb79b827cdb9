//! Housekeeping at every sweep: duties that are free, workers that are gone, expired holds, deadlines, and what the gate has missed.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

use serde_json::json;

use crate::{
    job::{id::JobId, lifecycle::Event, role::LeaseName, state::State},
    ledger::{Command, LedgerError, Warrant},
    pipeline::{context::Context, duties, feed, outbox, rebuild::Trouble, widen},
};

/// Queued jobs compared with the gate at a time.
const PAGE: i64 = 2_000;

pub async fn run(context: Arc<Context>) {
    if let Err(error) = sweep(&context).await {
        tracing::warn!(error = format!("{error:#}"), "housekeeping will be tried again");
    }
}

async fn sweep(context: &Context) -> anyhow::Result<()> {
    if duties::take(context).await? && context.life.holds(&LeaseName::upkeep()) {
        // What the gone worker wrote last, it may not have told the gate.
        context.tell_gate_again();
    }
    context.agent.renew_tokens();
    overdue(context).await?;
    context.watch_certificate().await?;
    outbox::take_up(context).await?;
    let alone = context.life.holds(&LeaseName::upkeep()) && context.life.may_act(context.now());
    if alone {
        once_for_all(context).await?;
    }
    if alone || !context.barrier.shared {
        compare_if_apart(context).await?;
    }
    Ok(())
}

/// What one worker of the fleet does for the whole ledger.
async fn once_for_all(context: &Context) -> Result<(), LedgerError> {
    let now = context.now();
    context.close_for_freezes().await?;
    context.watch_tokens().await?;
    context.watch_access_tokens().await?;
    context.keep_checkpoints().await?;
    context.remind().await?;
    context.keep_deliveries().await?;
    if context.ledger.next_expiry().await?.is_some_and(|at| at <= now) {
        context.ledger.write(Command::RollOver).await?;
    }
    if let Some(at) = context.ledger.next_expiry().await? {
        context.queues.upkeep.beat_at(at);
    }
    for job in context.ledger.jobs_past_deadline(now).await? {
        let step = Command::Step {
            job: job.id,
            event: Event::Expired,
            pull: None,
            failure: None,
            note: Some("its deadline passed before it could start".to_owned()),
            due_at: None,
            warrant: Warrant::Free,
        };
        context.ledger.write(step).await?;
    }
    widen::run(context).await
}

/// Reads every waiting job only when ledger and gate have counted apart twice in a row: a commit on its way to the gate is
/// no difference, and a million waiting jobs must not be read at each sweep.
async fn compare_if_apart(context: &Context) -> anyhow::Result<()> {
    if context.barrier.reason().is_some() {
        return Ok(());
    }
    let compared = async {
        if !are_apart(context).await? {
            context.apart.store(false, Ordering::Relaxed);
        } else if context.apart.swap(true, Ordering::Relaxed) {
            compare(context).await?;
        }
        Ok(())
    };
    match compared.await {
        Err(Trouble::Gate(error)) => context.gate_failed(&error),
        Err(Trouble::Ledger(error)) => return Err(error.into()),
        Ok(()) => {}
    }
    Ok(())
}

/// True if ledger and gate count different numbers of waiting jobs.
pub async fn are_apart(context: &Context) -> Result<bool, Trouble> {
    let counts = context.ledger.counts(None).await?;
    let queued = counts.iter().find(|count| count.state == State::Queued).map_or(0, |count| count.jobs);
    let known = context.gate.counts().await?;
    let at_gate = known.waiting.saturating_add(known.timed_jobs).saturating_add(known.proposed);
    Ok(u64::try_from(queued) != Ok(at_gate))
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

/// Offers what the ledger says is waiting and the gate does not know; withdraws what no longer waits.
pub async fn compare(context: &Context) -> Result<(), Trouble> {
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
            context.meters.repairs.fetch_add(u64::try_from(new).unwrap_or_default(), Ordering::Relaxed);
            tracing::warn!(new, "offered to the gate by the sweep: it did not know of them");
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
    context.meters.repairs.fetch_add(u64::try_from(over.len()).unwrap_or_default(), Ordering::Relaxed);
    context.gate.withdraw(&over).await?;
    Ok(())
}
