//! Gates for people: which are closed, what is still worked on behind one, and what the kill switch holds up.

use crate::{
    budget::{Closure, Key},
    job::{id::JobId, state::State},
    ledger::{
        LedgerError,
        rows::{JobRow, Phase},
    },
    pipeline::{
        context::Context,
        view::{Behind, BudgetView, ClosedFor, GateView, Wait},
    },
};

/// Jobs under verification read at a time.
const PAGE: i64 = 1_000;
/// Jobs that are worked on, read at a time.
const AT_ONCE: usize = 1_000;

impl Context {
    /// Every closed gate, the kill switch first.
    pub async fn closed_gates(&self) -> Result<Vec<GateView>, LedgerError> {
        Ok(closed(self.list_budgets().await?))
    }

    /// A gate as it stands.
    pub async fn gate_view(&self, key: &Key) -> Result<GateView, LedgerError> {
        let found = self.closed_gates().await?.into_iter().find(|gate| gate.key == *key);
        Ok(found.unwrap_or_else(|| GateView { key: key.clone(), closure: None, closed_by: Vec::new() }))
    }

    /// The gates before a job that are closed now, the kill switch first, then coarse to fine.
    pub async fn closed_before(&self, job: &JobRow) -> Result<Vec<GateView>, LedgerError> {
        let now = self.now();
        let shared = self.spec(job.request_id).await?;
        let rows = self.ledger.closed_gates().await?;
        let view = |key: Key| {
            let closed = rows.iter().find(|row| row.id == key)?.closed_by();
            let closure = closed.last().filter(|closure| closure.holds_at(now)).cloned()?;
            Some(GateView { key, closure: Some(closure), closed_by: ClosedFor::at(&closed, now) })
        };
        Ok(job.subject(&shared.request, &shared.spec).gates().filter_map(view).collect())
    }

    /// What is still worked on behind a gate.
    pub async fn behind(&self, key: &Key) -> Result<Behind, LedgerError> {
        let mut rows: Vec<JobRow> = Vec::new();
        let mut waiting_for_people: u64 = 0;
        for some in self.worked_on().await?.chunks(AT_ONCE) {
            for row in self.ledger.jobs_among(some).await? {
                if !self.passes(&row, key).await? {
                    continue;
                }
                if row.state == State::WaitingForUser {
                    waiting_for_people = waiting_for_people.saturating_add(1);
                } else {
                    rows.push(row);
                }
            }
        }
        let mut after = -1;
        loop {
            let page = self.ledger.jobs_in(State::Verifying, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for row in page {
                if self.passes(&row, key).await? {
                    rows.push(row);
                }
            }
        }
        // A job that moved on between the two readings was read twice.
        rows.sort_by_key(|row| (row.position, row.id));
        rows.dedup_by_key(|row| row.id);
        let mut working = Vec::with_capacity(rows.len());
        for row in &rows {
            working.push(self.view(row, None).await?);
        }
        let closure = self.gate_view(key).await?.closure;
        Ok(Behind { key: key.clone(), closure, working, waiting_for_people })
    }

    /// Jobs with an attempt that may have a task at work. One that was cancelled still has it: the provider's task goes on.
    async fn worked_on(&self) -> Result<Vec<JobId>, LedgerError> {
        let mut jobs = Vec::new();
        for phase in [Phase::Intent, Phase::Unknown, Phase::Live] {
            jobs.extend(self.ledger.attempts_in(phase).await?.into_iter().map(|attempt| attempt.job_id));
        }
        Ok(jobs)
    }

    async fn passes(&self, row: &JobRow, key: &Key) -> Result<bool, LedgerError> {
        let shared = self.spec(row.request_id).await?;
        Ok(row.subject(&shared.request, &shared.spec).gates().any(|gate| gate == *key))
    }
}

/// The closed gates among budgets, the kill switch first.
pub fn closed(budgets: Vec<BudgetView>) -> Vec<GateView> {
    let mut gates: Vec<GateView> = budgets
        .into_iter()
        .filter(|budget| budget.closed.is_some())
        .map(|budget| GateView { key: budget.key, closure: budget.closed, closed_by: budget.closed_by })
        .collect();
    gates.sort_by_key(|gate| !gate.key.is_kill_switch());
    gates
}

/// Why a queued job waits while the kill switch is on, whatever else it would wait for.
pub fn killed(closure: &Closure) -> Wait {
    Wait {
        reason: "kill_switch".to_owned(),
        text: format!("the kill switch is on: {} (thrown by {})", closure.reason, closure.actor),
        since: closure.since,
        clears_at: None,
        budget: None,
    }
}

/// What is said of a result while the kill switch is on.
pub fn not_handed_over(closure: &Closure) -> String {
    format!(
        "the result is checked, and not handed over while the kill switch is on: {} (thrown by {})",
        closure.reason, closure.actor
    )
}
