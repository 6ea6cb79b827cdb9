//! What log lines say of the work that they come from: `job`, `request`, `attempt` and `identity`, in every line of a step about
//! a job; and one line for every move of a job.

use tracing::{Span, field::Empty, info_span};

use crate::{
    job::id::JobId,
    ledger::{Committed, rows::JobRow},
    pipeline::{context::Work, deliver::Errand},
};

/// A piece of work of a step.
pub trait Subject {
    /// The span in which a step says what it says.
    fn span(&self, step: &'static str) -> Span;
}

impl Subject for Work {
    fn span(&self, step: &'static str) -> Span {
        let (job, attempt) = (&self.job, &self.attempt);
        info_span!(
            "job", step, job = %job.id, request = %job.request_id, attempt = %attempt.id, identity = attempt.identity
        )
    }
}

/// The rest is learnt when the job has been read.
impl Subject for JobId {
    fn span(&self, step: &'static str) -> Span {
        info_span!("job", step, job = %self, request = Empty, attempt = Empty, identity = Empty)
    }
}

/// The name of an identity.
impl Subject for String {
    fn span(&self, step: &'static str) -> Span {
        info_span!("identity", step, identity = self)
    }
}

impl Subject for Errand {
    fn span(&self, step: &'static str) -> Span {
        info_span!("notices", step, errand = ?self)
    }
}

/// What a step has read of its job.
pub fn learn(job: &JobRow) {
    let span = Span::current();
    span.record("request", tracing::field::display(job.request_id));
    span.record("identity", &job.identity);
    if let Some(attempt) = job.attempt_id {
        span.record("attempt", tracing::field::display(attempt));
    }
}

/// One line for each move of a commit of this process.
pub fn moved(committed: &Committed) {
    for moved in &committed.happened.moved {
        let Some(job) = committed.job(moved.job) else { continue };
        let attempt = moved.attempt.map(tracing::field::display);
        tracing::info!(
            job = %job.id, request = %job.request_id, attempt, identity = job.identity,
            repository = %job.repository, from = moved.from.as_str(), to = moved.to.as_str(),
            "a job has moved"
        );
    }
}
