//! The one remote call that starts a task. Its answer is recorded before anything else is done; an answer that is lost leads to
//! `recover`, never to a second call.

use std::sync::Arc;

use serde_json::json;

use crate::{
    agent::{AgentError, FailKind, StartOrder},
    budget::{Closure, Key, Scope},
    job::{
        failure::FailureClass,
        retry::backoff,
        routing::{Failure, advice},
        time::{Millis, Timestamp},
    },
    ledger::{Command, LedgerError},
    pipeline::context::{Context, SharedSpec, Work},
    policy::breaker::ACTOR,
    telemetry::failpoint,
};

/// How long an identity whose token is refused is left alone.
const TOKEN_PAUSE: Millis = Millis::minutes(5);
/// First wait after a provider that cannot be reached; doubles up to the second.
const UNREACHABLE: (Millis, Millis) = (Millis::seconds(5), Millis::minutes(10));

/// Sends one start, or hands the job back.
pub async fn run(context: Arc<Context>, work: Work) {
    if context.sent.has(work.attempt.id) {
        return;
    }
    let shared = match context.spec(work.job.request_id).await {
        Ok(shared) => shared,
        Err(error) => return again(&context, work, &error.to_string()),
    };
    // From here on a pause or a withdrawal waits for the answer, or this sees it.
    let passing = context.closures.pass().await;
    let prompt = match context.ledger.prompt_to_send(work.job.id, work.attempt.id).await {
        Ok(Some(prompt)) => prompt,
        Ok(None) => {
            return hand_back(&context, &work, "its job was withdrawn before the start was sent", None).await;
        }
        Err(error) => return again(&context, work, &error.to_string()),
    };
    let now = context.now();
    match closed(&context, &work, &shared, now).await {
        Ok(None) => {}
        Ok(Some(why)) => return hand_back(&context, &work, &why, None).await,
        Err(error) => return again(&context, work, &error.to_string()),
    }
    if let Some(frozen) = context.frozen(&work.job, &shared) {
        let thaws = context.thaws(&frozen);
        return hand_back(&context, &work, &frozen.to_string(), Some(thaws)).await;
    }
    if let Some(why) = context.outlived(&work.attempt.identity) {
        // The gate is closed at the next sweep; until then this is the only guard.
        let due = now.plus(context.tuning.sweep);
        return hand_back(&context, &work, &why, Some(due)).await;
    }
    if context.shutdown.is_cancelled() {
        return hand_back(&context, &work, "the worker is shutting down", None).await;
    }
    if !context.life.may_act(now) {
        return hand_back(&context, &work, "its worker's lease is over", None).await;
    }
    let send_by = work.attempt.intent_at.plus(context.tuning.start_within);
    if now >= send_by {
        let why = format!("its start was not sent within {} of its intent", context.tuning.start_within);
        return hand_back(&context, &work, &why, None).await;
    }
    let send_before = context.life.until().map_or(send_by, |until| until.min(send_by));
    let order = order(&work, &shared, prompt, send_before);
    context.sent.add(work.attempt.id);
    failpoint::hit("start.before_post");
    failpoint::hit_after("start.posting", 60);
    let answer = context.agent.start(&work.attempt.identity, &order).await;
    failpoint::hit("start.answered");
    drop(passing);
    let (job, attempt, fence) = (work.job.id, work.attempt.id, work.fence());
    let command = match answer {
        Ok(task) => Command::Started { job, attempt, fence, task: Box::new(task), found: false },
        Err(error) => {
            tracing::warn!(job = %job, attempt = %attempt, kind = ?error.kind, error = %error, "a start did not succeed");
            failed(&context, &work, error).await
        }
    };
    if context.record(command).await.is_some() {
        context.sent.forget(attempt);
    }
    failpoint::hit("start.recorded");
}

/// What is sent.
fn order(work: &Work, shared: &SharedSpec, prompt: String, send_before: Timestamp) -> StartOrder {
    let (head_ref, base_ref) = work.job.adopts().map(|pull| (pull.head_ref, pull.base_ref)).unzip();
    let smaller = shared.spec.fallback.as_ref().filter(|_| work.job.fallen_back == 1);
    let prompt = smaller.map(|fallback| fallback.prompt_after(&prompt)).unwrap_or(prompt);
    StartOrder {
        repository: work.job.repository.clone(),
        prompt: work.attempt.marker().stamp(&prompt),
        model: work.job.model.clone(),
        create_pull_request: shared.spec.pull_request,
        base_ref: base_ref.or_else(|| shared.spec.base_ref.clone()),
        head_ref,
        custom_agent: shared.spec.custom_agent.clone(),
        send_before,
    }
}

/// Which closed gate keeps the start from being sent. It is looked at while this start is passing: whoever closes a gate waits
/// for its answer.
async fn closed(
    context: &Context,
    work: &Work,
    shared: &SharedSpec,
    now: Timestamp,
) -> Result<Option<String>, LedgerError> {
    for (key, closure) in context.closures.blocking(work, shared, now) {
        if closure.actor != ACTOR || !context.may_pass_as_canary(&key, &work.attempt).await? {
            return Ok(Some(format!("{key} is closed: {}", closure.reason)));
        }
    }
    Ok(None)
}

/// The ledger cannot be read: nothing was sent, so trying again soon is safe.
fn again(context: &Context, work: Work, error: &str) {
    tracing::warn!(error, job = %work.job.id, "a start waits for the ledger");
    context.queues.start.push(work.attempt.id, context.now().plus(Millis::seconds(1)), work);
}

/// Nothing was sent: every hold goes back and the job queues again, without using up an attempt.
pub async fn hand_back(context: &Context, work: &Work, why: &str, due_at: Option<Timestamp>) {
    if context.sent.has(work.attempt.id) {
        return;
    }
    let command = Command::NotStarted {
        job: work.job.id,
        attempt: work.attempt.id,
        fence: work.fence(),
        why: why.to_owned(),
        counts: false,
        due_at,
        close: None,
    };
    context.record(command).await;
}

/// What a failed start means.
async fn failed(context: &Context, work: &Work, error: AgentError) -> Command {
    let (job, attempt, fence) = (work.job.id, work.attempt.id, work.fence());
    let now = context.now();
    let identity = &work.attempt.identity;
    let not_started = |due_at, close| Command::NotStarted {
        job,
        attempt,
        fence,
        why: error.message.clone(),
        counts: false,
        due_at,
        close,
    };
    let close = |reason: String, opens_at| {
        let closure =
            Closure { reason, actor: "sluicegate".to_owned(), since: now, opens_at: Some(opens_at) };
        Some((Key::gate(Scope::Identity, identity), closure))
    };
    match error.kind {
        FailKind::RateLimited { until } => {
            not_started(None, close(format!("the provider limits {identity}: {}", error.message), until))
        }
        FailKind::Unauthorised => {
            let dedup = format!("identity/{identity}/refused/{}", now.0 / 3_600_000);
            let body = json!({ "identity": identity, "problem": error.message, "what_to_do": "renew the token, then check with `sluice doctor`" });
            context.record(Command::Notice { dedup, kind: "identity.refused".into(), job: None, body }).await;
            not_started(
                None,
                close(format!("the provider refuses the token of {identity}"), now.plus(TOKEN_PAUSE)),
            )
        }
        FailKind::Unreachable => {
            let wait = backoff(UNREACHABLE.0, UNREACHABLE.1, work.attempt.number, context.entropy.draw());
            not_started(Some(now.plus(wait)), None)
        }
        FailKind::Late => not_started(None, None),
        FailKind::Ambiguous => Command::StartLost { job, attempt, fence, why: error.message },
        FailKind::Forbidden | FailKind::NotFound | FailKind::Invalid => Command::StartRejected {
            job,
            attempt,
            fence,
            failure: Failure::new(FailureClass::Refused, &error.message),
            advice: advice(FailureClass::Refused).to_owned(),
        },
    }
}
