//! Gates for people: which are closed, what is still worked on behind one, and what the kill switch holds up.

use crate::{
    budget::{Closure, Key, Scope, Source},
    job::{id::JobId, state::State},
    ledger::{
        LedgerError,
        rows::{JobRow, Phase},
    },
    pipeline::{
        context::Context,
        view::{Behind, BudgetView, ClosedFor, GateView, Wait},
    },
    policy::hint,
};

/// Jobs under verification read at a time.
const PAGE: i64 = 1_000;
/// Jobs that are worked on, read at a time.
const AT_ONCE: usize = 1_000;

/// Nothing has the name that a gate would stand before.
#[derive(Debug, thiserror::Error)]
#[error("there is no {scope} `{value}`: {hint}")]
pub struct Misnamed {
    pub scope: Scope,
    value: String,
    hint: String,
}

impl Context {
    /// Templates and identities are known beforehand: a name that is none of them is a slip, unless a job goes by it, or its
    /// gate was closed before the policy lost it.
    pub async fn misnamed(&self, key: &Key) -> Result<Option<Misnamed>, LedgerError> {
        let Some((scope, value)) = key.scope() else { return Ok(None) };
        let mut known: Vec<&str> = match scope {
            Scope::Template => self.policy.catalog.iter().map(|template| template.name.as_str()).collect(),
            Scope::Identity => self.policy.identities.iter().map(|identity| identity.name.as_str()).collect(),
            Scope::Global
            | Scope::Organisation
            | Scope::Team
            | Scope::Model
            | Scope::Request
            | Scope::Repository => return Ok(None),
        };
        if known.contains(&value)
            || self.ledger.gates().await?.iter().any(|gate| gate.key == *key)
            || self.ledger.is_asked_of(scope, value).await?
        {
            return Ok(None);
        }
        known.dedup();
        let hint = hint::did_you_mean(value, &known);
        Ok(Some(Misnamed { scope, value: value.to_owned(), hint }))
    }

    /// A gate that was just closed. A team or a repository may be named before it has a job, or by mistake.
    pub async fn closed_now(&self, key: &Key) -> Result<GateView, LedgerError> {
        let mut view = self.gate_view(key).await?;
        if let Some((scope, value)) = key.scope()
            && !matches!(scope, Scope::Global | Scope::Template | Scope::Identity)
            && !self.ledger.is_asked_of(scope, value).await?
        {
            view.remarks.push("no job is behind it now: is the name right?".to_owned());
        }
        Ok(view)
    }

    /// A gate that a person just opened, with how it was before.
    pub async fn opened_now(&self, key: &Key, before: &GateView) -> Result<GateView, LedgerError> {
        let mut view = self.gate_view(key).await?;
        let lifted = |closed: &ClosedFor| matches!(closed.source, Source::Operator | Source::CoolDown);
        if before.closed_by.is_empty() {
            view.remarks.push("it was not closed".to_owned());
        } else if !before.closed_by.iter().any(lifted) {
            view.remarks.push("it was not closed by a person".to_owned());
        }
        if !key.is_kill_switch()
            && let Some(closure) = self.gate_view(&Key::kill_switch()).await?.closure
        {
            let Closure { reason, actor, .. } = closure;
            view.remarks
                .push(format!("nothing starts: the kill switch is still on: {reason} (thrown by {actor})"));
        }
        Ok(view)
    }

    /// Every closed gate, the kill switch first.
    pub async fn closed_gates(&self) -> Result<Vec<GateView>, LedgerError> {
        Ok(closed(self.list_budgets().await?))
    }

    /// A gate as it stands.
    pub async fn gate_view(&self, key: &Key) -> Result<GateView, LedgerError> {
        let found = self.closed_gates().await?.into_iter().find(|gate| gate.key == *key);
        Ok(found.unwrap_or_else(|| GateView::open(key.clone())))
    }

    /// The gates before a job that are closed now, the kill switch first, then coarse to fine.
    pub async fn closed_before(&self, job: &JobRow) -> Result<Vec<GateView>, LedgerError> {
        let now = self.now();
        let shared = self.spec(job.request_id).await?;
        let rows = self.ledger.closed_gates().await?;
        let view = |key: Key| {
            let closed = rows.iter().find(|row| row.id == key)?.closed_by();
            let closure = closed.last().filter(|closure| closure.holds_at(now)).cloned()?;
            Some(GateView {
                closure: Some(closure),
                closed_by: ClosedFor::at(&closed, now),
                ..GateView::open(key)
            })
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
        .map(|budget| GateView {
            closure: budget.closed,
            closed_by: budget.closed_by,
            ..GateView::open(budget.key)
        })
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
