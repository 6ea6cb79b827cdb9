//! Jobs, attempts and holds must fit each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    budget::Release,
    job::state::State,
    ledger::{invariants::Snapshot, rows::Phase},
};

/// I2: a job has at most one attempt that is not over, and none while it waits.
pub fn one_open_attempt(snapshot: &Snapshot, broken: &mut Vec<String>) {
    let mut open: BTreeMap<_, u32> = BTreeMap::new();
    for attempt in snapshot.attempts.iter().filter(|attempt| attempt.phase != Phase::Ended) {
        let count = open.entry(attempt.job_id).or_default();
        *count = count.saturating_add(1);
    }
    for job in &snapshot.jobs {
        let count = open.get(&job.id).copied().unwrap_or(0);
        if count > 1 {
            broken.push(format!("I2 job {} has {count} open attempts", job.id));
        }
        if matches!(job.state, State::Held | State::Queued) && count > 0 {
            broken.push(format!("I2 job {} is {} with an open attempt", job.id, job.state));
        }
    }
}

/// I3, I4: nobody holds concurrency or a reviewer without a reason, and whoever works holds its slots.
pub fn holds_and_work(snapshot: &Snapshot, broken: &mut Vec<String>) {
    let ended: BTreeSet<_> = snapshot
        .attempts
        .iter()
        .filter(|attempt| attempt.phase == Phase::Ended)
        .map(|attempt| attempt.id)
        .collect();
    let jobs: BTreeMap<_, _> = snapshot.jobs.iter().map(|job| (job.id, job)).collect();
    for hold in snapshot.holds.iter().filter(|hold| hold.released_at.is_none()) {
        let (key, job) = (&hold.budget_id, hold.job_id);
        let temporary = matches!(hold.release, Release::AgentStops | Release::Change);
        if temporary && ended.contains(&hold.attempt_id) {
            broken.push(format!("I4 {key} of job {job} is held by an ended attempt"));
        }
        let state = jobs.get(&job).map(|job| job.state);
        if hold.release == Release::AgentStops && state.is_some_and(rests) {
            broken.push(format!("I3 {key} of job {job} is held while its agent does nothing"));
        }
    }
    let slots = || snapshot.holds.iter().filter(|hold| hold.release == Release::AgentStops);
    let took: BTreeSet<_> = slots().map(|hold| hold.attempt_id).collect();
    let holds: BTreeSet<_> =
        slots().filter(|hold| hold.released_at.is_none()).map(|hold| hold.attempt_id).collect();
    for job in snapshot.jobs.iter().filter(|job| works(job.state)) {
        if job.attempt_id.is_some_and(|attempt| took.contains(&attempt) && !holds.contains(&attempt)) {
            broken.push(format!("I3 job {} is {} without its slots", job.id, job.state));
        }
    }
}

/// Its agent does nothing, as far as we know.
const fn rests(state: State) -> bool {
    matches!(
        state,
        State::Queued
            | State::Held
            | State::WaitingForUser
            | State::Verifying
            | State::InReview
            | State::Quarantined
            | State::Succeeded
    )
}

/// Its agent may be working.
const fn works(state: State) -> bool {
    matches!(state, State::Starting | State::StartUnknown | State::Running)
}
