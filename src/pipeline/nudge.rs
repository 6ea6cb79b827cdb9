//! Jobs that a webhook was about are looked at now instead of at their next turn. What the webhook said is not believed: the look
//! asks the provider. However many come, one job is looked at no more often than every few seconds, and all together no more
//! often than their bucket allows; the next turn comes in any case.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    job::{
        id::JobId,
        role::LeaseName,
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{LedgerError, rows::Phase},
    pipeline::context::Context,
};

/// Between two looks at one job, and two sweeps of one identity, that webhooks bring forward.
const GAP: Millis = Millis::seconds(5);
/// All together: one in so long,
const EACH: Millis = Millis::seconds(2);
/// and so many at once after a rest.
const BURST: u64 = 30;
/// Jobs kept in mind.
const JOBS_MAX: usize = 4_096;

/// When looks were brought forward to.
#[derive(Debug, Default)]
pub struct Nudges(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    looks: HashMap<JobId, Timestamp>,
    /// When the bucket will be full again.
    full_at: Timestamp,
    /// The latest time at which it was asked.
    asked_at: Timestamp,
}

impl Default for Inner {
    fn default() -> Self {
        Self { looks: HashMap::new(), full_at: Timestamp(i64::MIN), asked_at: Timestamp(i64::MIN) }
    }
}

impl Nudges {
    /// When to look at a job that a webhook is about.
    fn turn(&self, job: JobId, now: Timestamp) -> Timestamp {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < inner.asked_at {
            // The clock went back: times by the old one would hold looks up for as long.
            *inner = Inner::default();
        }
        inner.asked_at = now;
        let last = inner.looks.get(&job).copied();
        // A look that is still to come sees this too.
        if let Some(at) = last.filter(|at| *at > now) {
            return at;
        }
        inner.full_at = inner.full_at.max(now).plus(EACH);
        let allowed = inner.full_at.minus(Millis(EACH.0.saturating_mul(BURST)));
        let at = last.map_or(now, |last| last.plus(GAP)).max(allowed).max(now);
        if inner.looks.len() >= JOBS_MAX {
            inner.looks.retain(|_, at| now.since(*at) < GAP);
        }
        inner.looks.insert(job, at);
        at
    }
}

/// Brings the next look at each of the jobs forward, as far as this worker follows them.
pub async fn look_soon(context: &Context, jobs: &[JobId]) -> Result<(), LedgerError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let now = context.now();
    for (job, attempt) in context.ledger.with_attempts(jobs).await? {
        let identity = &attempt.identity;
        if job.state == State::InReview && context.life.holds(&LeaseName::review(identity)) {
            context.queues.review.push(job.id, context.nudges.turn(job.id, now), job.id);
        }
        if attempt.phase == Phase::Live && context.life.holds(&LeaseName::track(identity)) {
            let last = context.tracker.sweep_times(identity).last;
            let at = last.map_or(now, |last| last.plus(GAP)).max(now);
            context.queues.track.push(identity.clone(), at, identity.clone());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u128) -> JobId {
        // The first drawn bits are taken for the version of the id.
        JobId::new(Timestamp(1), number << 24)
    }

    #[test]
    fn a_job_is_looked_at_at_once_and_then_after_a_gap_however_often_it_is_named() {
        let nudges = Nudges::default();
        let now = Timestamp(1_000_000);
        assert_eq!(nudges.turn(job(1), now), now);
        let next = now.plus(GAP);
        for ms in 1..500 {
            assert_eq!(nudges.turn(job(1), now.plus(Millis(ms))), next, "the same look serves all of them");
        }
        assert_eq!(nudges.turn(job(2), now), now, "another job has its own turn");
        let later = now.plus(Millis::minutes(1));
        assert_eq!(nudges.turn(job(1), later), later);
    }

    #[test]
    fn a_clock_that_goes_back_holds_up_no_look() {
        let nudges = Nudges::default();
        let now = Timestamp(10_000_000);
        for number in 0..100 {
            nudges.turn(job(number), now);
        }
        let earlier = now.minus(Millis::minutes(10));
        assert_eq!((nudges.turn(job(1), earlier), nudges.turn(job(200), earlier)), (earlier, earlier));
    }

    #[test]
    fn many_jobs_at_once_wait_for_the_bucket() {
        let nudges = Nudges::default();
        let now = Timestamp(1_000_000);
        let turns: Vec<Timestamp> = (0..500).map(|number| nudges.turn(job(number), now)).collect();
        assert_eq!(turns.iter().filter(|at| **at == now).count(), 30);
        assert_eq!(turns.last(), Some(&now.plus(Millis(470 * EACH.0))));
    }
}
