//! Who does what: claims the leases that nobody living holds, and takes over what workers left that are gone.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use crate::{
    job::{
        id::JobId,
        role::{LeaseName, Role},
    },
    ledger::{
        Command, LedgerError, Reply,
        rows::{AttemptRow, JobRow, Phase, WorkerRow},
    },
    pipeline::{
        context::{Context, Work},
        life::margin,
        outbox, pick_up,
    },
};

/// Attempts taken over in one transaction.
const PAGE: usize = 500;
/// Jobs under review read at a time.
const REVIEWS: i64 = 2_000;
/// Between two tries to read what was taken over.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

/// Looks at who lives, claims and takes over. True if a worker was found gone: what it last told nobody must be looked for.
pub async fn take(context: &Context) -> Result<bool, LedgerError> {
    let now = context.now();
    if !context.life.may_act(now) {
        return Ok(false);
    }
    let mut workers = context.ledger.workers_at_work().await?;
    let gone = expire(context, &mut workers).await?;
    if context.life.learn_starters(&workers, now) {
        context.queues.admit.poke();
    }
    let living: Vec<_> = workers.iter().map(|worker| worker.id).collect();
    let orphans = context.ledger.orphans(&living).await?;
    claim(context, &workers, &orphans).await?;
    let start = context.life.has(Role::Start);
    let follows = |row: &AttemptRow| context.life.holds(&LeaseName::track(&row.identity));
    let mut wanted: Vec<AttemptRow> = orphans
        .into_iter()
        .filter(|row| match row.phase {
            Phase::Intent | Phase::Unknown => start,
            _ => follows(row),
        })
        .collect();
    for identity in identities(context) {
        if context.life.holds(&LeaseName::track(&identity)) {
            wanted.extend(context.ledger.strays(&identity, context.fence.worker).await?);
        }
    }
    wanted.sort_by_key(|row| row.id);
    wanted.dedup_by_key(|row| row.id);
    for page in wanted.chunks(PAGE) {
        take_over(context, page).await?;
    }
    Ok(gone)
}

/// Ends the lives of those who are silent; keeps the others.
async fn expire(context: &Context, workers: &mut Vec<WorkerRow>) -> Result<bool, LedgerError> {
    let now = context.now();
    if !context.life.may_judge(now) {
        return Ok(false);
    }
    let grace = margin(context.tuning.lease);
    let silent: Vec<_> = workers
        .iter()
        .filter(|worker| worker.id != context.fence.worker && !worker.lives(now.minus(grace)))
        .map(|worker| worker.id)
        .collect();
    for worker in silent.iter().copied() {
        if !context.ledger.write(Command::Expire { worker }).await?.is_stale() {
            tracing::warn!(%worker, "a worker was silent for longer than its lease: others go on with what it did");
        }
    }
    workers.retain(|worker| !silent.contains(&worker.id));
    Ok(!silent.is_empty())
}

/// Identities whose tasks and pull requests this worker may be asked to follow.
fn identities(context: &Context) -> BTreeSet<String> {
    let configured = context.policy.identities.iter().map(|identity| identity.name.clone());
    configured.chain([context.policy.identity.clone()]).chain(context.tracker.identities()).collect()
}

async fn claim(context: &Context, workers: &[WorkerRow], orphans: &[AttemptRow]) -> Result<(), LedgerError> {
    let leases = context.ledger.leases().await?;
    let mut identities = identities(context);
    identities.extend(orphans.iter().map(|row| row.identity.clone()));
    let known = leases.iter().filter_map(|lease| lease.name.as_str().split_once('/'));
    identities.extend(known.map(|(_, identity)| identity.to_owned()));
    let mut wanted = vec![LeaseName::upkeep()];
    wanted.extend(context.life.has(Role::Notify).then(LeaseName::notify));
    for identity in &identities {
        wanted.extend(context.life.has(Role::Track).then(|| LeaseName::track(identity)));
        wanted.extend(context.life.has(Role::Review).then(|| LeaseName::review(identity)));
    }
    for name in wanted.into_iter().filter(|name| !context.life.holds(name)) {
        let holder = leases.iter().find(|lease| lease.name == name).map(|lease| lease.worker_id);
        // One that is this worker's already was claimed without an answer, or what comes with it could not be read.
        let others =
            |holder| holder != context.fence.worker && workers.iter().any(|worker| worker.id == holder);
        if holder.is_some_and(others) {
            continue;
        }
        let claimed =
            context.ledger.write(Command::Claim { name: name.clone(), fence: context.fence }).await?;
        if matches!(claimed, Reply::Done) {
            context.life.hold(name.clone());
            if let Err(error) = begin(context, &name).await {
                context.life.let_go(&name);
                return Err(error);
            }
            tracing::info!(lease = %name, "claimed");
        }
    }
    Ok(())
}

/// What comes with a lease.
async fn begin(context: &Context, lease: &LeaseName) -> Result<(), LedgerError> {
    if *lease == LeaseName::notify() {
        // What was done meanwhile, others have told.
        context.outbox.summed_up.store(-1, Ordering::Relaxed);
        return outbox::take_up(context).await;
    }
    match lease.as_str().split_once('/') {
        Some(("track", identity)) => {
            // What it started itself while nobody followed.
            if context.tracker.identities().contains(identity) {
                context.queues.track.push(identity.to_owned(), context.now(), identity.to_owned());
            }
            return Ok(());
        }
        Some(("review", _)) => {}
        _ => return Ok(()),
    }
    let mut after = -1;
    loop {
        let page = context.ledger.jobs_in(crate::job::State::InReview, after, REVIEWS).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.position;
        let ids: Vec<_> = page.iter().map(|job| job.id).collect();
        for (job, attempt) in context.ledger.with_attempts(&ids).await? {
            pick_up::review(context, &job, &attempt);
        }
    }
}

/// One transaction for all. What was not answered is asked again until it is: it may stand, and nobody else would go on with it.
async fn take_over(context: &Context, page: &[AttemptRow]) -> Result<(), LedgerError> {
    let fence = context.fence;
    let take = |row: &AttemptRow| Command::TakeOver { job: row.job_id, attempt: row.id, fence };
    let mut taken = Vec::with_capacity(page.len());
    for (row, answer) in page.iter().zip(context.ledger.write_all(page.iter().map(take).collect()).await) {
        let answer = match answer {
            Ok((reply, _)) => Some(reply),
            Err(_) => context.record(take(row)).await,
        };
        if answer.is_some_and(|reply| !reply.is_stale()) {
            taken.push(row.job_id);
        }
    }
    let mine = |(_, attempt): &(JobRow, AttemptRow)| attempt.worker_id == fence.worker;
    for (job, attempt) in read(context, &taken).await?.into_iter().filter(mine) {
        pick_up::pick_up(context, Work { job, attempt });
    }
    Ok(())
}

/// Asks until the ledger answers, or this life ends: what was taken over is nobody else's to go on with.
async fn read(context: &Context, jobs: &[JobId]) -> Result<Vec<(JobRow, AttemptRow)>, LedgerError> {
    loop {
        match context.ledger.with_attempts(jobs).await {
            Err(error) if !context.shutdown.is_cancelled() => {
                tracing::warn!(%error, "what was taken over is read again soon");
                tokio::time::sleep(AGAIN).await;
            }
            done => return done,
        }
    }
}
