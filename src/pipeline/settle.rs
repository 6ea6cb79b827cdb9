//! A task says that it is done: that is a claim. Its result is found, checked against the template's scope, labelled and handed to the
//! reviewer whose place was taken at admission.

use std::sync::Arc;

use serde_json::json;

use crate::{
    agent::{AgentError, FailKind},
    job::{
        failure::FailureClass,
        lifecycle::Event,
        pull::Pull,
        remote::RemoteState,
        routing::{Failure, Route, Sighting, ended},
        time::Millis,
    },
    ledger::{
        Command, LedgerError, Warrant,
        rows::{AttemptRow, EvidenceRow, JobRow},
    },
    pipeline::context::{Context, SharedSpec, Work},
    policy::{
        checks::{Standing, standing},
        scope::{self, Verdict},
        template::PullRequestText,
    },
    telemetry::failpoint,
};

/// Between two looks for a result that is not there yet: a thirtieth of the whole time given, or of the time it has taken so far.
const LOOKS: u64 = 30;

/// Verifies one result, or plans to look again.
pub async fn run(context: Arc<Context>, work: Work) {
    if !context.life.may_act(context.now()) {
        let at = context.now().plus(Millis::seconds(1));
        return context.queues.settle.push(work.job.id, at, work);
    }
    match verify(&context, &work).await {
        Ok(Some(command)) => {
            context.record(command).await;
            failpoint::hit("settle.recorded");
        }
        Ok(None) => {
            let shared = context.spec(work.job.request_id).await;
            let frozen = shared.is_ok_and(|shared| context.frozen(&work.job, &shared).is_some());
            let wait = if frozen || context.closures.kill_switch().is_some() {
                context.tuning.cadence.review_ms
            } else {
                // What takes long is looked at less and less often.
                let so_far = context.now().since(work.job.state_since).0;
                context.tuning.result_within.0.max(so_far) / LOOKS
            };
            let wait = Millis(wait.max(1));
            context.queues.settle.push(work.job.id, context.now().plus(wait), work);
        }
        Err(error) => {
            tracing::warn!(job = %work.job.id, error = %error, "a result could not be looked at");
            let at = match error.kind {
                FailKind::RateLimited { until } => until,
                _ => context.now().plus(Millis::seconds(2)),
            };
            context.queues.settle.push(work.job.id, at, work);
        }
    }
}

/// What the result means; None: not there yet, or the kill switch or a freeze keeps it from being handed over.
async fn verify(context: &Context, work: &Work) -> Result<Option<Command>, AgentError> {
    let Ok(shared) = context.spec(work.job.request_id).await else { return Ok(None) };
    let identity = &work.attempt.identity;
    let mut attempt = work.attempt.clone();
    let incomplete =
        attempt.branch.is_none() || (shared.spec.pull_request && attempt.pull_database_id.is_none());
    if incomplete && let Some(task) = &attempt.task_id {
        let task = context.agent.observe(identity, task).await?;
        if let Some(command) = moved_on(context, work, &task) {
            return Ok(Some(command));
        }
        attempt.branch = task.branch().map(ToOwned::to_owned).or(attempt.branch);
        attempt.pull_database_id = task.pull_database_id().or(attempt.pull_database_id);
    }
    let step = |event, pull: Option<Pull>, note| {
        Some(Command::Step {
            job: work.job.id,
            event,
            pull: pull.map(Box::new),
            failure: None,
            note,
            due_at: None,
            warrant: Warrant::Driver(work.attempt.id, work.fence()),
        })
    };
    if !shared.spec.pull_request {
        return Ok(match &attempt.branch {
            Some(branch) => {
                step(Event::Accepted, None, Some(format!("branch {branch}; no pull request was asked for")))
            }
            None => no_result(context, work, &shared),
        });
    }
    let Some(branch) = &attempt.branch else { return Ok(no_result(context, work, &shared)) };
    let found =
        context.forge.find_pull(identity, &work.job.repository, branch, attempt.pull_database_id).await?;
    let Some(pull) = found else { return Ok(no_result(context, work, &shared)) };
    failpoint::hit("settle.found");
    if pull.merged {
        return Ok(step(Event::Merged, Some(pull), None));
    }
    if !pull.open {
        return Ok(step(Event::Closed, Some(pull), None));
    }
    let paths = context.forge.changed_paths(identity, &work.job.repository, pull.number).await?;
    let checks = context.forge.checks(identity, &work.job.repository, &pull.head_sha).await?;
    let refused = match judged(context, work, &shared, &pull, &paths).await? {
        Judgement::Good => None,
        Judgement::NotYet => return Ok(None),
        Judgement::Bad(why) => Some(why),
    };
    keep(context, &attempt, &pull, json!({ "pull": pull, "paths": paths, "checks": checks })).await;
    if let Some(why) = refused {
        let Ok(released) = released(context, work, &pull).await else { return Ok(None) };
        if released {
            let Some(pull) = hand_over(context, work, &shared, pull).await? else { return Ok(None) };
            return Ok(step(Event::ReviewRequested, Some(pull), Some("released from quarantine".to_owned())));
        }
        return Ok(step(Event::Quarantined, Some(pull), Some(why)));
    }
    let Some(pull) = hand_over(context, work, &shared, pull).await? else { return Ok(None) };
    Ok(step(Event::ReviewRequested, Some(pull), None))
}

/// What a result is worth by its template.
enum Judgement {
    Good,
    /// A check that is required is not done.
    NotYet,
    /// And why.
    Bad(String),
}

async fn judged(
    context: &Context,
    work: &Work,
    shared: &SharedSpec,
    pull: &Pull,
    paths: &[String],
) -> Result<Judgement, AgentError> {
    if let Some(why) = out_of_scope(shared, &work.job, pull, paths) {
        return Ok(Judgement::Bad(why));
    }
    let Some(required) = &shared.spec.required_checks else { return Ok(Judgement::Good) };
    let (identity, repository) = (&work.attempt.identity, &work.job.repository);
    let named = context.forge.named_checks(identity, repository, &pull.head_sha).await?;
    let over = context.now().since(work.job.state_since) >= required.within;
    Ok(match standing(required, &named) {
        Standing::Green => Judgement::Good,
        Standing::Failed(why) => Judgement::Bad(why),
        Standing::Waiting(why) if over => Judgement::Bad(format!("{why}, within {}", required.within)),
        Standing::Waiting(_) => Judgement::NotYet,
    })
}

/// Why the change is not what the template allows, if it is not.
fn out_of_scope(shared: &SharedSpec, job: &JobRow, pull: &Pull, paths: &[String]) -> Option<String> {
    let smaller = shared.spec.fallback.as_ref().filter(|_| job.fallen_back == 1);
    let allowed = smaller.and_then(|fallback| fallback.scope.as_ref()).unwrap_or(&shared.scope);
    let mut offences = match scope::check(allowed, paths) {
        Verdict::InScope => Vec::new(),
        Verdict::OutOfScope(offences) => offences,
    };
    offences.extend(scope::check_size(allowed, pull.changed_lines));
    let said: Vec<String> = offences.iter().take(5).map(|(path, why)| format!("{path}: {why}")).collect();
    (!said.is_empty()).then(|| format!("out of scope: {}", said.join("; ")))
}

/// True if a person let this very result pass. What was pushed after they looked is judged anew.
async fn released(context: &Context, work: &Work, pull: &Pull) -> Result<bool, LedgerError> {
    if work.job.pull().is_none_or(|looked_at| looked_at.head_sha != pull.head_sha) {
        return Ok(false);
    }
    let entries = context.ledger.entries_of(work.job.id).await?;
    let word = |event: Event| format!("job.{}", event.as_str());
    let (released, quarantined) = (word(Event::Released), word(Event::Quarantined));
    let last = entries.iter().rfind(|entry| [&released, &quarantined].contains(&&entry.kind));
    Ok(last.is_some_and(|entry| entry.kind == released))
}

/// The task was already working again, or waiting, when its result was looked for: tracking decides, not this step.
fn moved_on(context: &Context, work: &Work, task: &crate::job::Task) -> Option<Command> {
    if task.state == RemoteState::Completed {
        return None;
    }
    context.queues.track.push(work.attempt.identity.clone(), context.now(), work.attempt.identity.clone());
    let seen = crate::ledger::Seen {
        task: task.clone(),
        event: (!task.state.is_terminal()).then_some(Event::Resumed),
        failure: None,
        advice: None,
        due_at: None,
    };
    Some(Command::Seen {
        job: work.job.id,
        attempt: work.attempt.id,
        fence: work.fence(),
        seen: Box::new(seen),
    })
}

/// What a description tells of where the change comes from.
fn origin(work: &Work, shared: &SharedSpec) -> String {
    let (request, job) = (&shared.request, &work.job);
    let task = work.attempt.task_id.as_ref().map(ToString::to_string).unwrap_or_default();
    format!(
        "Request {}, job {}, template {}@{}, prompt sha256:{}, task {task}.",
        request.id, job.id, request.template, request.template_version, job.prompt_digest
    )
}

/// Title and description, labels and the reviewer: each may be asked for twice without harm. None: the kill switch is on, or a freeze is in force;
/// nothing was written.
async fn hand_over(
    context: &Context,
    work: &Work,
    shared: &SharedSpec,
    mut pull: Pull,
) -> Result<Option<Pull>, AgentError> {
    // Whoever throws the kill switch or adds a freeze waits until these writes have been answered, or this sees it.
    let _passing = context.closures.pass().await;
    if context.closures.kill_switch().is_some() || context.frozen(&work.job, shared).is_some() {
        return Ok(None);
    }
    let (identity, repository) = (&work.attempt.identity, &work.job.repository);
    if shared.spec.described {
        let Ok(text) = context.ledger.pull_text(work.job.id).await else { return Ok(None) };
        let text = text.unwrap_or_default();
        let body = text.body.map(|body| format!("{body}\n\n{}", origin(work, shared)));
        let text = PullRequestText { title: text.title, body };
        context.forge.describe(identity, repository, pull.number, &text).await?;
        pull.title = text.title.unwrap_or(pull.title);
    }
    failpoint::hit("settle.described");
    let missing: Vec<String> =
        shared.spec.labels.iter().filter(|label| !pull.labels.contains(label)).cloned().collect();
    if !missing.is_empty() {
        context.forge.add_labels(identity, repository, pull.number, &missing).await?;
        pull.labels.extend(missing);
    }
    failpoint::hit("settle.labelled");
    let Some(reviewer) = &work.job.reviewer else { return Ok(Some(pull)) };
    if !pull.requested_reviewers.iter().any(|login| login.eq_ignore_ascii_case(reviewer)) {
        match context.forge.request_review(identity, repository, pull.number, reviewer).await {
            Ok(()) => pull.requested_reviewers.push(reviewer.clone()),
            // The reviewer's place is still theirs; the owner is told that the forge will not ask them.
            Err(error) if error.kind == FailKind::Invalid => {
                let dedup = format!("{}/reviewer_refused", work.attempt.id);
                let body = json!({ "reviewer": reviewer, "pull": pull.html_url, "problem": error.message });
                let kind = "job.reviewer_refused".to_owned();
                context.record(Command::Notice { dedup, kind, job: Some(work.job.id), body }).await;
            }
            Err(error) => return Err(error),
        }
    }
    failpoint::hit("settle.requested");
    Ok(Some(pull))
}

async fn keep(context: &Context, attempt: &AttemptRow, pull: &Pull, body: serde_json::Value) {
    let row = EvidenceRow {
        id: format!("{}:result:{}", attempt.id, pull.head_sha),
        attempt_id: attempt.id,
        job_id: attempt.job_id,
        kind: "result".to_owned(),
        at: context.now(),
        body_json: body.to_string(),
    };
    context.record(Command::Evidence { rows: vec![row] }).await;
}

/// Nothing to review: wait a while, then it is a failure like any other.
fn no_result(context: &Context, work: &Work, shared: &SharedSpec) -> Option<Command> {
    let now = context.now();
    if now.since(work.job.state_since) < context.tuning.result_within {
        return None;
    }
    let sighting = Sighting {
        state: work.job.state,
        remote: &RemoteState::Completed,
        error: None,
        attempts: work.job.attempts,
        in_state: Millis(0),
        drawn: context.entropy.draw(),
        left_result: false,
        smaller_scope: false,
    };
    let failure =
        Failure::new(FailureClass::NoResult, "the task completed and left no pull request or branch");
    let (event, failure, note, due_at) = match ended(&sighting, &shared.spec.retry, failure) {
        Route::Retry { after, failure } => (Event::Retried, failure, None, Some(now.plus(after))),
        Route::DeadLetter { failure, advice } => (Event::GaveUp, failure, Some(advice.to_owned()), None),
        Route::Stay | Route::Move(_) => return None,
    };
    let warrant = Warrant::Driver(work.attempt.id, work.fence());
    Some(Command::Step { job: work.job.id, event, pull: None, failure: Some(failure), note, due_at, warrant })
}
