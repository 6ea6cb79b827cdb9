//! Follows a pull request under review to its merge or close, which frees the reviewer and the blast radius.

use std::sync::Arc;

use crate::{
    agent::FailKind,
    job::{
        id::JobId,
        lifecycle::Event,
        pull::{Checks, ChecksSeen, Pull},
        role::LeaseName,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{Command, Warrant, rows::JobRow},
    pipeline::{
        context::{Context, SharedSpec},
        logged,
    },
    policy::waves::By,
    telemetry::failpoint,
};

/// Looks once and plans the next look.
pub async fn run(context: Arc<Context>, job: JobId) {
    if !context.life.may_act(context.now()) {
        return context.queues.review.push(job, context.now().plus(Millis::seconds(1)), job);
    }
    if let Some(at) = look(&context, job).await {
        context.queues.review.push(job, at, job);
    }
}

/// When to look again; None when it is over.
async fn look(context: &Context, job: JobId) -> Option<Timestamp> {
    let again = context.now().plus(Millis(context.tuning.cadence.review_ms));
    let Ok(row) = context.ledger.job(job).await else { return Some(again) };
    let row = row.filter(|row| row.state == State::InReview)?;
    logged::learn(&row);
    let (number, attempt) = (row.pull_number?, row.attempt_id?);
    let pull = match context.forge.pull(&row.identity, &row.repository, number).await {
        Ok(pull) => pull,
        Err(error) => {
            tracing::warn!(job = %job, error = %error, "a pull request could not be looked at");
            return Some(match error.kind {
                FailKind::RateLimited { until } => until.max(again),
                _ => again,
            });
        }
    };
    failpoint::hit("review.seen");
    let event = if pull.merged {
        Event::Merged
    } else if pull.open {
        if let Ok(shared) = context.spec(row.request_id).await {
            look_at_checks(context, &row, &pull, &shared).await;
        }
        return Some(again);
    } else {
        Event::Closed
    };
    let note = pull.merged_by.as_ref().map(|login| format!("merged by {login}"));
    let lease = LeaseName::review(&row.identity);
    let warrant = Warrant::Holder(attempt, context.fence.worker, lease);
    let pull = Some(Box::new(pull));
    let step = Command::Step { job, event, pull, failure: None, note, due_at: None, warrant };
    context.record(step).await;
    failpoint::hit("review.recorded");
    None
}

/// Waves that are proven by green checks wait for them. Nobody else does, so nobody else asks.
async fn look_at_checks(context: &Context, row: &JobRow, pull: &Pull, shared: &SharedSpec) {
    let proven_by = shared.spec.waves.as_ref().map(|waves| waves.rule.proven.by);
    let known = row.checks().filter(|seen| seen.head_sha == pull.head_sha);
    if proven_by != Some(By::Green) || known.is_some_and(|seen| seen.checks == Checks::Green) {
        return;
    }
    let Some(attempt) = row.attempt_id else { return };
    let identity = &row.identity;
    match context.forge.checks(identity, &row.repository, &pull.head_sha).await {
        Ok(checks) => {
            let seen = ChecksSeen { head_sha: pull.head_sha.clone(), checks, since: context.now() };
            let warrant = Warrant::Holder(attempt, context.fence.worker, LeaseName::review(identity));
            context.record(Command::Checks { job: row.id, seen, warrant }).await;
        }
        Err(error) => {
            tracing::warn!(job = %row.id, %error, "the checks of a pull request could not be looked at");
        }
    }
}
