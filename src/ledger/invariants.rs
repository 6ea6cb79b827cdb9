//! What must be true of the ledger at any time, as queries. The fault suite ends with all of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    budget::{Amount, Key, Release},
    job::state::State,
    ledger::{
        Ledger, LedgerError,
        db::Bind,
        rows::{AttemptRow, HoldRow, JobRow, Phase},
        table,
    },
};

impl Ledger {
    /// Every broken promise in plain words, each with the invariant's name; empty when all hold.
    /// Reads whole tables: for tests, demos and `sluice doctor`, not for a busy daemon.
    pub async fn broken_invariants(&self) -> Result<Vec<String>, LedgerError> {
        let jobs: Vec<JobRow> = self.db.rows(&table::JOBS, "", &[]).await?;
        let attempts: Vec<AttemptRow> = self.db.rows(&table::ATTEMPTS, "", &[]).await?;
        let holds: Vec<HoldRow> = self.db.rows(&table::HOLDS, "WHERE t.released_at IS NULL", &[]).await?;
        let mut broken = Vec::new();
        self.accepted(&jobs, &mut broken).await?;
        one_live_attempt(&jobs, &attempts, &mut broken);
        self.figures(&holds, &mut broken).await?;
        idle_holds(&jobs, &attempts, &holds, &mut broken);
        self.notices_once(&mut broken).await?;
        let verified = self.verify().await?;
        broken.extend(verified.broken.map(|problem| format!("I16 {problem}")));
        Ok(broken)
    }

    /// I1: every job of every accepted request is there.
    async fn accepted(&self, jobs: &[JobRow], broken: &mut Vec<String>) -> Result<(), LedgerError> {
        let mut found: BTreeMap<_, i64> = BTreeMap::new();
        for job in jobs.iter().filter(|job| job.replay_of.is_none()) {
            let count = found.entry(job.request_id).or_default();
            *count = count.saturating_add(1);
        }
        for request in self.requests(i64::MAX).await? {
            let there = found.get(&request.id).copied().unwrap_or(0);
            if there != request.jobs {
                broken.push(format!("I1 request {} has {there} of {} jobs", request.id, request.jobs));
            }
        }
        Ok(())
    }

    /// I3: `used` is the sum of the active holds.
    async fn figures(&self, holds: &[HoldRow], broken: &mut Vec<String>) -> Result<(), LedgerError> {
        let mut sums: BTreeMap<&Key, Amount> = BTreeMap::new();
        for hold in holds {
            let sum = sums.entry(&hold.budget_id).or_default();
            *sum = sum.plus(hold.amount).unwrap_or(Amount::MAX);
        }
        let rows = self.budgets().await?;
        for row in &rows {
            let sum = sums.remove(&row.id).unwrap_or(Amount::ZERO);
            if sum != row.used {
                broken
                    .push(format!("I3 budget {} says {} used, its holds add up to {sum}", row.id, row.used));
            }
        }
        broken.extend(sums.keys().map(|key| format!("I3 budget {key} has holds and no figure")));
        Ok(())
    }

    /// I15: one notice per waiting episode.
    async fn notices_once(&self, broken: &mut Vec<String>) -> Result<(), LedgerError> {
        let mut seen = BTreeSet::new();
        for notice in self.notices().await? {
            if !seen.insert(notice.dedup.clone()) {
                broken.push(format!("I15 two notices for {}", notice.dedup));
            }
        }
        let waited = "WHERE t.kind = 'job.needs_user' ORDER BY t.seq";
        let entries: Vec<crate::ledger::rows::EntryRow> =
            self.db.rows(&table::ENTRIES, waited, &[] as &[Bind<'_>]).await?;
        let notices = seen.iter().filter(|dedup| dedup.contains("/job.needs_user/")).count();
        if entries.len() != notices {
            broken.push(format!("I15 {} waiting episodes, {notices} notices", entries.len()));
        }
        Ok(())
    }
}

/// I2: a job has at most one attempt that is not over.
fn one_live_attempt(jobs: &[JobRow], attempts: &[AttemptRow], broken: &mut Vec<String>) {
    let mut open: BTreeMap<_, u32> = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| attempt.phase != Phase::Ended) {
        let count = open.entry(attempt.job_id).or_default();
        *count = count.saturating_add(1);
    }
    for job in jobs {
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
fn idle_holds(jobs: &[JobRow], attempts: &[AttemptRow], holds: &[HoldRow], broken: &mut Vec<String>) {
    let phases: BTreeMap<_, _> = attempts.iter().map(|attempt| (attempt.id, attempt.phase)).collect();
    let states: BTreeMap<_, _> = jobs.iter().map(|job| (job.id, job.state)).collect();
    for hold in holds {
        let over = phases.get(&hold.attempt_id) == Some(&Phase::Ended);
        let temporary = matches!(hold.release, Release::AgentStops | Release::Change);
        let state = states.get(&hold.job_id).copied();
        if temporary && over {
            broken.push(format!("I4 {} of job {} is held by an ended attempt", hold.budget_id, hold.job_id));
        }
        let stopped = matches!(
            state,
            Some(
                State::Queued
                    | State::Held
                    | State::WaitingForUser
                    | State::Verifying
                    | State::InReview
                    | State::Succeeded
            )
        );
        if hold.release == Release::AgentStops && stopped {
            broken.push(format!(
                "I3 {} of job {} is held while its agent does nothing",
                hold.budget_id, hold.job_id
            ));
        }
    }
}
