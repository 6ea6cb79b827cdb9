//! The rows must be what the history says.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    budget::{Amount, Key},
    job::{id::JobId, state::State},
    ledger::{
        Ledger, LedgerError,
        invariants::Snapshot,
        rows::{EntryRow, Phase},
    },
};

const PAGE: i64 = 5_000;

/// What the history says, as far as the checks need it.
#[derive(Default)]
pub struct Told {
    /// The state that each job was left in. A job that nothing has happened to is not here.
    states: BTreeMap<JobId, State>,
    admitted: BTreeMap<JobId, usize>,
    /// The last time of each schedule that was handed in; as texts they sort like times.
    taken: BTreeMap<String, String>,
    /// Times that a job began to wait for a person.
    pub waited: usize,
}

/// Budget, amount, used with it, limit.
type Figure = (Key, Amount, Amount, Option<Amount>);

/// The parts of an entry's body that are compared.
#[derive(Deserialize)]
struct Body {
    to: Option<State>,
    holds: Option<Vec<Figure>>,
}

/// A time of a schedule that was handed in.
#[derive(Deserialize)]
struct Taken {
    schedule: String,
    nominal: String,
}

impl Ledger {
    /// I1, I2, I3, I13, I14: every job is where its history left it, has the attempts that were authorised, no admission passed
    /// a limit, and no time of a schedule was handed in twice.
    pub(super) async fn replay_history(
        &self,
        snapshot: &Snapshot,
        broken: &mut Vec<String>,
    ) -> Result<Told, LedgerError> {
        let mut told = Told::default();
        let mut after = 0;
        loop {
            let page = self.entries_after(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for entry in &page {
                told.take_in(entry, broken);
            }
        }
        told.compare(snapshot, broken);
        Ok(told)
    }
}

impl Told {
    fn take_in(&mut self, entry: &EntryRow, broken: &mut Vec<String>) {
        if entry.kind == "schedule.taken" {
            return self.take_in_schedule(entry, broken);
        }
        let Some(job) = entry.job_id else { return };
        let Ok(body) = serde_json::from_str::<Body>(&entry.body_json) else {
            broken.push(format!("I16 entry {} cannot be read", entry.seq));
            return;
        };
        if let Some(state) = body.to {
            self.states.insert(job, state);
        }
        self.waited = self.waited.saturating_add(usize::from(entry.kind == "job.needs_user"));
        if entry.kind != "job.admitted" {
            return;
        }
        let count = self.admitted.entry(job).or_default();
        *count = count.saturating_add(1);
        for (key, _, used, limit) in body.holds.into_iter().flatten() {
            if limit.is_some_and(|limit| used > limit) {
                broken.push(format!("I3 job {job} was admitted over the limit of {key}"));
            }
        }
    }

    fn take_in_schedule(&mut self, entry: &EntryRow, broken: &mut Vec<String>) {
        let Ok(Taken { schedule, nominal }) = serde_json::from_str(&entry.body_json) else {
            broken.push(format!("I16 entry {} cannot be read", entry.seq));
            return;
        };
        if self.taken.get(&schedule).is_some_and(|last| nominal <= *last) {
            broken.push(format!("I13 schedule {schedule} was handed in twice for {nominal}"));
        }
        self.taken.insert(schedule, nominal);
    }

    fn compare(&self, snapshot: &Snapshot, broken: &mut Vec<String>) {
        let jobs: BTreeMap<_, _> = snapshot.jobs.iter().map(|job| (job.id, job.state)).collect();
        for (job, state) in &self.states {
            match jobs.get(job) {
                None => broken.push(format!("I14 job {job} is gone; its history left it {state}")),
                Some(now) if now != state => {
                    broken.push(format!("I1 job {job} is {now}, its history left it {state}"));
                }
                Some(_) => {}
            }
        }
        for (job, state) in jobs.iter().filter(|(job, _)| !self.states.contains_key(job)) {
            if !matches!(state, State::Held | State::Queued) {
                broken.push(format!("I1 job {job} is {state}, but nothing has happened to it"));
            }
        }
        let mut attempts: BTreeMap<JobId, usize> = BTreeMap::new();
        for attempt in &snapshot.attempts {
            let count = attempts.entry(attempt.job_id).or_default();
            *count = count.saturating_add(1);
            let started = attempt.task_id.is_some() || attempt.phase == Phase::Live;
            if started && attempt.started_at.is_none() {
                broken.push(format!("I2 attempt {} has a task and no start", attempt.id));
            }
        }
        for job in jobs.keys() {
            let (made, authorised) = (attempts.get(job), self.admitted.get(job));
            if made != authorised {
                let (made, authorised) = (made.unwrap_or(&0), authorised.unwrap_or(&0));
                broken.push(format!("I2 job {job} has {made} attempts, {authorised} were authorised"));
            }
        }
    }
}
