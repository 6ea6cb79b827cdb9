//! Goes on with what this worker has come to drive: taken over, handed to it, or found in the ledger. What it knows already stays as it is.

use crate::{
    job::{
        role::{LeaseName, Role},
        state::State,
        time::Millis,
    },
    ledger::rows::{AttemptRow, JobRow, Phase},
    pipeline::context::{Context, Work},
};

/// Goes on with an attempt of this worker.
pub fn pick_up(context: &Context, work: Work) {
    let now = context.now();
    let (attempt, identity) = (work.attempt.id, work.attempt.identity.clone());
    let queues = &context.queues;
    match work.attempt.phase {
        Phase::Intent if work.job.state == State::Starting && !queues.start.knows(&attempt) => {
            queues.start.push(attempt, now, work);
        }
        Phase::Unknown if !queues.recover.knows(&attempt) => queues.recover.push(attempt, now, work),
        Phase::Live | Phase::Done if context.life.has(Role::Track) => {
            if context.tracker.learn(&work.job, &work.attempt, now) {
                queues.track.push(identity.clone(), now, identity);
            }
            review(context, &work.job, &work.attempt);
            if work.job.state == State::Verifying && !queues.settle.knows(&work.job.id) {
                queues.settle.push(work.job.id, now, work);
            }
        }
        _ => {}
    }
}

/// Follows the pull request of a job, if this worker follows those of its identity.
pub fn review(context: &Context, job: &JobRow, attempt: &AttemptRow) {
    let mine = job.state == State::InReview && context.life.holds(&LeaseName::review(&attempt.identity));
    if mine && !context.queues.review.knows(&job.id) {
        let at = context.now().plus(Millis(context.tuning.cadence.review_ms));
        context.queues.review.push(job.id, at, job.id);
    }
}
