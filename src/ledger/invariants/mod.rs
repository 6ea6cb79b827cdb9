//! What must be true of the ledger at any time, as queries. The fault suite ends with all of them. Nothing is mended here.

mod history;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    budget::{Amount, Key},
    job::id::NoticeId,
    ledger::{
        Ledger, LedgerError,
        rows::{AttemptRow, HoldRow, JobRow, MailingRow, Phase},
        table,
    },
};

/// What the checks look at.
struct Snapshot {
    jobs: Vec<JobRow>,
    attempts: Vec<AttemptRow>,
    /// Active ones, and released ones that are concurrency.
    holds: Vec<HoldRow>,
}

impl Ledger {
    /// Every broken promise in plain words, each with the invariant's name; empty when all hold.
    /// Reads whole tables: for tests, demos and `sluice doctor`, not for a busy daemon.
    pub async fn broken_invariants(&self) -> Result<Vec<String>, LedgerError> {
        let holds = "WHERE t.released_at IS NULL OR t.release = 'agent_stops'";
        let snapshot = Snapshot {
            jobs: self.db.rows(&table::JOBS, "", &[]).await?,
            attempts: self.db.rows(&table::ATTEMPTS, "", &[]).await?,
            holds: self.db.rows(&table::HOLDS, holds, &[]).await?,
        };
        let mut broken = Vec::new();
        self.accepted(&snapshot.jobs, &mut broken).await?;
        rows::one_open_attempt(&snapshot, &mut broken);
        self.figures(&snapshot.holds, &mut broken).await?;
        rows::holds_and_work(&snapshot, &mut broken);
        self.tokens(&snapshot.attempts, &mut broken).await?;
        let told = self.replay_history(&snapshot, &mut broken).await?;
        self.notices_once(told.waited, &mut broken).await?;
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
        for hold in holds.iter().filter(|hold| hold.released_at.is_none()) {
            let sum = sums.entry(&hold.budget_id).or_default();
            *sum = sum.plus(hold.amount).unwrap_or(Amount::MAX);
        }
        for row in self.budgets().await? {
            let sum = sums.remove(&row.id).unwrap_or(Amount::ZERO);
            if sum != row.used {
                let id = &row.id;
                broken.push(format!("I3 budget {id} says {} used, its holds add up to {sum}", row.used));
            }
        }
        broken.extend(sums.keys().map(|key| format!("I3 budget {key} has holds and no figure")));
        Ok(())
    }

    /// I5: whoever drives an attempt is a worker, with a token not below that of its life.
    async fn tokens(&self, attempts: &[AttemptRow], broken: &mut Vec<String>) -> Result<(), LedgerError> {
        let workers = self.workers().await?;
        let tokens: BTreeMap<_, _> = workers.iter().map(|worker| (worker.id, worker.token)).collect();
        for attempt in attempts.iter().filter(|attempt| attempt.phase != Phase::Ended) {
            if tokens.get(&attempt.worker_id).is_none_or(|token| attempt.token < *token) {
                let (id, worker) = (attempt.id, attempt.worker_id);
                broken.push(format!(
                    "I5 attempt {id} carries token {}, which worker {worker} never had",
                    attempt.token
                ));
            }
        }
        Ok(())
    }

    /// I15: one notice per waiting episode; one that was taken up is open as long as a receiver waits for it.
    async fn notices_once(&self, waited: usize, broken: &mut Vec<String>) -> Result<(), LedgerError> {
        let mut seen = BTreeSet::new();
        let waiting: Vec<MailingRow> =
            self.db.rows(&table::MAILINGS, "WHERE t.next_at IS NOT NULL", &[]).await?;
        let waiting: BTreeSet<NoticeId> = waiting.into_iter().map(|row| row.notice_id).collect();
        for notice in self.notices().await? {
            if notice.route.is_some() && notice.next_at.is_some() != waiting.contains(&notice.id) {
                broken.push(format!("I15 notice {} is not as its deliveries are", notice.id));
            }
            if !seen.insert(notice.dedup.clone()) {
                broken.push(format!("I15 two notices for {}", notice.dedup));
            }
        }
        let notices = seen.iter().filter(|dedup| dedup.contains("/job.needs_user/")).count();
        if waited != notices {
            broken.push(format!("I15 {waited} waiting episodes, {notices} notices"));
        }
        Ok(())
    }
}
