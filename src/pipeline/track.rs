//! Following tasks: one sweep per identity serves all of its tasks; a task is looked at alone only when a list says that it ended, or when
//! no list has shown it for too long.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};

use crate::{
    agent::{AgentError, FailKind},
    job::{
        id::AttemptId,
        remote::{Task, TaskId},
        role::LeaseName,
        routing::{Route, Sighting, route},
        time::{Millis, Timestamp},
    },
    ledger::{Command, Fence, Reply, Seen, rows::Phase},
    pipeline::{
        context::Context,
        tracker::{Followed, SweepTimes},
    },
    telemetry::failpoint,
};

/// Tasks looked at alone at once.
const LOOKS_AT_ONCE: usize = 8;

/// Sweeps one identity and plans its next sweep.
pub async fn run(context: Arc<Context>, identity: String) {
    let now = context.now();
    if !context.life.holds(&LeaseName::track(&identity)) {
        return;
    }
    if !context.life.may_act(now) {
        let at = now.plus(Millis(context.tuning.cadence.running_ms));
        return context.queues.track.push(identity.clone(), at, identity);
    }
    let unswept = context.tracker.begin_sweep(&identity);
    let swept = sweep(&context, &identity, unswept, now).await;
    if swept.is_err() {
        context.tracker.abandon_sweep(&identity, unswept);
    }
    let next = match swept {
        Ok(()) => context.tracker.next_sweep(&identity, &context.tuning.cadence, context.now()),
        Err(error) => {
            tracing::warn!(identity, error = %error, "a sweep failed");
            let wait = match error.kind {
                FailKind::RateLimited { until } => until,
                _ => now.plus(Millis(context.tuning.cadence.running_ms)),
            };
            Some(wait.max(now.plus(Millis(context.tuning.cadence.running_ms))))
        }
    };
    if let Some(at) = next {
        context.queues.track.push(identity.clone(), at, identity);
    }
}

/// One sweep: list what changed, look closer where needed, record what it means. It looks back to the last one, and to `unswept`.
async fn sweep(
    context: &Context,
    identity: &str,
    unswept: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), AgentError> {
    let cadence = &context.tuning.cadence;
    let times = context.tracker.sweep_times(identity);
    let full = times.last_full.is_none_or(|last| now.since(last).0 >= cadence.full_sweep_ms);
    let since = [times.last, unswept].into_iter().flatten().min();
    let mut listed = context
        .agent
        .list_changed(identity, since.map(|since| since.minus(Millis(cadence.overlap_ms))), false)
        .await?;
    if full && times.last.is_some() {
        listed.extend(context.agent.list_changed(identity, None, true).await?);
    }
    failpoint::hit("track.listed");
    let mut looks: HashSet<TaskId> = HashSet::new();
    let mut sightings: Vec<(Followed, Task)> = Vec::new();
    for task in listed {
        let Some(followed) = context.tracker.get(&task.id) else { continue };
        context.tracker.saw(&task, now);
        if !followed.differs(&task) {
            continue;
        }
        if task.state.is_terminal() {
            looks.insert(task.id);
        } else {
            sightings.push((followed, task));
        }
    }
    let unseen = Millis(cadence.full_sweep_ms.saturating_mul(2));
    looks.extend(context.tracker.leftovers(identity, cadence, unseen, now).into_iter().map(|(task, _)| task));
    let looked = stream::iter(looks)
        .map(|task| async move {
            let seen = context.agent.observe(identity, &task).await;
            (task, seen)
        })
        .buffer_unordered(LOOKS_AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    failpoint::hit("track.observed");
    let mut failure = None;
    for (id, seen) in looked {
        match seen {
            Ok(task) => {
                context.tracker.saw(&task, now);
                sightings.extend(context.tracker.get(&id).map(|followed| (followed, task)));
            }
            Err(error) if error.kind == FailKind::NotFound => {
                tracing::warn!(task = %id, "a followed task is not found: it may be archived, or the token may no longer see it");
            }
            Err(error) => failure = Some(error),
        }
    }
    record(context, sightings, now).await;
    failpoint::hit("track.recorded");
    // A look that failed is made up for by the next sweep, which must therefore look back as far.
    if let Some(error) = failure {
        return Err(error);
    }
    let last_full = if full { Some(now) } else { times.last_full };
    context.tracker.swept(identity, SweepTimes { last: Some(now), last_full });
    Ok(())
}

async fn record(context: &Context, sightings: Vec<(Followed, Task)>, now: Timestamp) {
    let (mut commands, mut seen) = (Vec::with_capacity(sightings.len()), Vec::new());
    for (followed, task) in sightings {
        let id = task.id.clone();
        match decide(context, &followed, task, now).await {
            Ok(command) => {
                commands.push(command);
                seen.push((id, followed.attempt));
            }
            Err(error) => tracing::warn!(%error, job = %followed.job, "a sighting waits for the ledger"),
        }
    }
    for ((task, attempt), reply) in seen.into_iter().zip(context.ledger.write_all(commands).await) {
        match reply {
            Ok((Reply::Stale(why), _)) => {
                tracing::info!(why, "a sighting came too late");
                drop_if_over(context, &task, attempt).await;
            }
            Ok(_) => {}
            // Not recorded: the tracker still knows the old state, so the next sweep sees the difference again.
            Err(error) => tracing::warn!(%error, "a sighting was not recorded"),
        }
    }
}

/// Stops following a task whose attempt has ended or that another worker has taken over: no commit of ours will tell.
async fn drop_if_over(context: &Context, task: &TaskId, attempt: AttemptId) {
    let Ok(Some(row)) = context.ledger.attempt(attempt).await else { return };
    if row.phase == Phase::Ended || row.worker_id != context.fence.worker {
        context.tracker.forget(task);
    }
}

async fn decide(
    context: &Context,
    followed: &Followed,
    task: Task,
    now: Timestamp,
) -> Result<Command, crate::ledger::LedgerError> {
    let shared = context.spec(followed.request).await?;
    let in_state = if followed.remote.as_ref() == Some(&task.state) {
        now.since(followed.remote_since)
    } else {
        Millis(0)
    };
    let sighting = Sighting {
        state: followed.state,
        remote: &task.state,
        error: task.error(),
        attempts: followed.attempts,
        in_state,
        drawn: context.entropy.draw(),
        left_result: task.pull_database_id().is_some(),
        smaller_scope: shared.spec.fallback.is_some() && !followed.fallen_back,
    };
    let (mut event, mut failure, mut advice, mut due_at) = (None, None, None, None);
    match route(&sighting, &shared.spec.retry, &context.tuning.cadence) {
        Route::Stay => {}
        Route::Move(next) => event = Some(next),
        Route::Retry { after, failure: why } => {
            event = Some(crate::job::Event::Retried);
            failure = Some(why);
            due_at = Some(now.plus(after));
        }
        Route::DeadLetter { failure: why, advice: word } => {
            event = Some(crate::job::Event::GaveUp);
            failure = Some(why);
            advice = Some(word.to_owned());
        }
    }
    let seen = Seen { task, event, failure, advice, due_at };
    Ok(Command::Seen {
        job: followed.job,
        attempt: followed.attempt,
        fence: Fence { worker: context.fence.worker, token: followed.token },
        seen: Box::new(seen),
    })
}
