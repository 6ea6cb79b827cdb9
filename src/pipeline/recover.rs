//! After a lost answer or a crash: look before anything is sent again. A task that carries the marker is adopted; none for the whole
//! look-up window proves that nothing was started.

use std::sync::Arc;

use crate::{
    agent::FailKind,
    job::{
        failure::FailureClass,
        retry::backoff,
        routing::{Failure, advice},
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::Command,
    pipeline::context::{Context, Work},
    telemetry::failpoint,
};

/// The provider's clock may differ from ours by this much.
const SKEW: Millis = Millis::minutes(5);

/// Looks once; plans another look while it is unsure.
pub async fn run(context: Arc<Context>, work: Work) {
    if !context.life.may_act(context.now()) {
        let at = context.now().plus(Millis::seconds(1));
        return context.queues.recover.push(work.attempt.id, at, work);
    }
    let next = look(&context, &work).await;
    match next {
        Next::Record(command) => {
            context.record(*command).await;
            failpoint::hit("recover.recorded");
        }
        Next::LookAgain(at) => context.queues.recover.push(work.attempt.id, at, work),
    }
}

enum Next {
    Record(Box<Command>),
    LookAgain(Timestamp),
}

/// The window runs from here: the start may have left at any moment before it, and lists may show its task late.
fn lost_at(work: &Work) -> Timestamp {
    // A cancelled job no longer says when; it gets no further task, so nothing can be started twice.
    if work.job.state == State::StartUnknown { work.job.state_since } else { work.attempt.intent_at }
}

async fn look(context: &Context, work: &Work) -> Next {
    let (job, attempt, fence) = (work.job.id, work.attempt.id, work.fence());
    let since = work.attempt.intent_at.minus(SKEW);
    let marker = work.attempt.marker();
    let found = context.agent.find(&work.attempt.identity, &work.job.repository, &marker, since).await;
    failpoint::hit("recover.looked");
    let now = context.now();
    let age = now.since(lost_at(work));
    let window = context.tuning.look_up_window;
    let soon = now.plus(Millis((age.0 / 4).clamp(window.0 / 100, window.0 / 6).max(1)));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(job = %job, error = %error, "a lost start could not be looked for");
            return Next::LookAgain(match error.kind {
                FailKind::RateLimited { until } => until.max(soon),
                _ => soon,
            });
        }
    };
    let mut tasks = found.tasks.into_iter();
    if let Some(first) = tasks.next() {
        let others: Vec<_> = tasks.map(|task| task.id).collect();
        if !others.is_empty() {
            context.record(Command::Doubles { job, attempt, tasks: others }).await;
        }
        return Next::Record(Box::new(Command::Started {
            job,
            attempt,
            fence,
            task: Box::new(first),
            found: true,
        }));
    }
    if age < window || found.unreadable > 0 && age < Millis(window.0.saturating_mul(4)) {
        return Next::LookAgain(soon);
    }
    let why = format!("no task with marker {marker} appeared within {window}");
    let allowed = context.spec(work.job.request_id).await.map_or(1, |shared| shared.spec.retry.max_attempts);
    if work.job.attempts >= allowed {
        let failure = Failure::new(FailureClass::Infrastructure, &why);
        let advice = advice(FailureClass::Infrastructure).to_owned();
        return Next::Record(Box::new(Command::StartRejected { job, attempt, fence, failure, advice }));
    }
    let wait =
        backoff(Millis::seconds(10), Millis::minutes(10), work.job.attempts.max(1), context.entropy.draw());
    let due_at = Some(now.plus(wait.min(window)));
    Next::Record(Box::new(Command::NotStarted {
        job,
        attempt,
        fence,
        why,
        counts: true,
        due_at,
        close: None,
    }))
}
