//! Answers for people: what a job does, why it waits, who holds what it waits for.

use std::collections::HashMap;

use crate::{
    budget::{Key, Kind, Refusal, RefusalKind, Scope},
    gate::{Place, WaitReason},
    job::{
        id::{JobId, RequestId},
        state::State,
        time::Timestamp,
    },
    ledger::{
        LedgerError,
        pages::JobFilter,
        rows::{AttemptRow, HoldRow, JobRow, Phase},
    },
    pipeline::{
        context::{Context, SharedSpec},
        gates, held,
        view::{BudgetView, ClosedFor, Holder, JobDetail, JobView, Overview, RequestView, Wait, Why},
    },
    policy::credits::refusal_in_credits,
};

/// Holders named at most.
const HOLDERS_MAX: i64 = 20;

impl Context {
    pub async fn list_jobs(&self, filter: &JobFilter) -> Result<Vec<JobView>, LedgerError> {
        let mut views = Vec::new();
        for job in self.ledger.jobs(filter).await? {
            views.push(self.view(&job, None).await?);
        }
        Ok(views)
    }

    pub async fn detail(&self, job: &JobRow) -> Result<JobDetail, LedgerError> {
        let shared = self.spec(job.request_id).await?;
        let attempts = self.ledger.attempts_of(job.id).await?;
        let nano_credits =
            attempts.iter().filter_map(|attempt| attempt.nano_credits).fold(0_u64, u64::saturating_add);
        Ok(JobDetail {
            job: self.view(job, attempts.last()).await?,
            request: shared.request.clone(),
            prompt_digest: job.prompt_digest.clone(),
            prompt: self.ledger.prompt(job.id).await?,
            holds: self.ledger.holds_of(job.id).await?,
            notices: self.ledger.notices_of(job.id).await?,
            evidence: self.ledger.evidence_of(job.id).await?,
            history: self.ledger.entries_of(job.id).await?,
            attempts,
            nano_credits,
        })
    }

    pub async fn view(&self, job: &JobRow, attempt: Option<&AttemptRow>) -> Result<JobView, LedgerError> {
        let shared = self.spec(job.request_id).await?;
        let loaded = match (attempt, job.attempt_id) {
            (None, Some(id)) => self.ledger.attempt(id).await?,
            _ => None,
        };
        let attempt = attempt.or(loaded.as_ref());
        let place = self.place(job).await;
        Ok(JobView {
            id: job.id,
            request: job.request_id,
            template: format!("{}@{}", shared.request.template, shared.request.template_version),
            repository: job.repository.clone(),
            state: job.state,
            state_since: job.state_since,
            created_at: job.created_at,
            position: job.position,
            attempts: job.attempts,
            reviewer: job.reviewer.clone(),
            pull_number: job.pull_number,
            pull_url: job.pull().and_then(|pull| pull.html_url),
            task_url: attempt.and_then(|attempt| attempt.task_url.clone()),
            model: job.model.clone(),
            findings: job.decision().findings,
            replay_of: job.replay_of,
            discarded: job.discarded_at.is_some(),
            wave: job.wave,
            wait: self.wait(job, &shared, attempt, place.as_ref()),
            outcome: job.outcome_json.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        })
    }

    async fn place(&self, job: &JobRow) -> Option<Place> {
        if job.state != State::Queued {
            return None;
        }
        self.gate.explain(job.id, self.now()).await.ok().flatten()
    }

    pub async fn why(&self, job: &JobRow) -> Result<Why, LedgerError> {
        let place = self.place(job).await;
        let attempt = match job.attempt_id {
            Some(id) => self.ledger.attempt(id).await?,
            None => None,
        };
        let shared = self.spec(job.request_id).await?;
        let mut wait = self.wait(job, &shared, attempt.as_ref(), place.as_ref());
        if job.state == State::Held {
            wait = Some(self.held(job).await?);
        }
        let mut holders = Vec::new();
        if let Some((wait, mut refusal)) =
            wait.as_mut().and_then(|wait| wait.budget.clone().map(|b| (wait, b)))
            && refusal.kind == RefusalKind::Full
        {
            let holds = self.holds_on(&refusal.key).await?;
            refusal.clears_at = refusal.clears_at.or_else(|| rolls_over_at(&refusal, &holds));
            holders = self.named(holds).await?;
            (wait.text, wait.clears_at) = (refusal.to_string(), refusal.clears_at);
            wait.budget = Some(refusal);
        }
        let ahead = place.map(|place| place.ahead);
        let gates = if job.state == State::Queued { self.closed_before(job).await? } else { Vec::new() };
        let (id, repository, state) = (job.id, job.repository.clone(), job.state);
        Ok(Why { id, repository, state, wait, ahead, holders, gates })
    }

    /// Tasks that are not at their end, whoever follows them.
    async fn live_tasks(&self) -> Result<u64, LedgerError> {
        let driven = self.ledger.driven().await?;
        Ok(driven.iter().filter(|driven| driven.phase == Phase::Live).map(|driven| driven.attempts).sum())
    }

    /// Who holds a budget, or any place of a pool.
    pub async fn holders(&self, key: &Key) -> Result<Vec<Holder>, LedgerError> {
        self.named(self.holds_on(key).await?).await
    }

    /// Whether anything could be held of it: the rules limit it, or it was used once.
    pub async fn has_budget(&self, key: &Key) -> Result<bool, LedgerError> {
        let rules = &self.policy.rules;
        if rules.pool(key).is_some() || rules.limit(key).is_some() {
            return Ok(true);
        }
        Ok(self.ledger.budgets().await?.iter().any(|row| row.id == *key))
    }

    async fn holds_on(&self, key: &Key) -> Result<Vec<HoldRow>, LedgerError> {
        if self.policy.rules.pool(key).is_some() {
            self.ledger.pool_holders(key, HOLDERS_MAX).await
        } else {
            self.ledger.holders(key, HOLDERS_MAX).await
        }
    }

    /// Holds with what they are held for, in their order.
    async fn named(&self, holds: Vec<HoldRow>) -> Result<Vec<Holder>, LedgerError> {
        let ids: Vec<JobId> = holds.iter().map(|hold| hold.job_id).collect();
        let jobs = self.ledger.jobs_among(&ids).await?;
        let jobs: HashMap<JobId, &JobRow> = jobs.iter().map(|job| (job.id, job)).collect();
        let holder = |hold: HoldRow| {
            let job = jobs.get(&hold.job_id)?;
            Some(Holder {
                budget: hold.budget_id,
                job: hold.job_id,
                attempt: hold.attempt_id,
                repository: job.repository.clone(),
                state: job.state,
                amount: hold.amount,
                since: hold.taken_at,
            })
        };
        Ok(holds.into_iter().filter_map(holder).collect())
    }

    /// The true reason, from the gate for a queued job and from the ledger for any other.
    fn wait(
        &self,
        job: &JobRow,
        shared: &SharedSpec,
        attempt: Option<&AttemptRow>,
        place: Option<&Place>,
    ) -> Option<Wait> {
        let of = |reason: &str, text: String, clears_at: Option<Timestamp>| Wait {
            reason: reason.to_owned(),
            text,
            since: job.state_since,
            clears_at,
            budget: None,
        };
        let link = attempt
            .and_then(|attempt| attempt.task_url.as_deref())
            .map(|url| format!(": {url}"))
            .unwrap_or_default();
        Some(match job.state {
            State::Held => held::in_short(job),
            State::Queued => match (self.closures.kill_switch(), self.barrier.reason()) {
                (Some(closure), _) => gates::killed(&closure),
                (None, Some((why, since))) => {
                    let text = format!("the gate is closed: {why}");
                    Wait { since, ..of("gate", text, None) }
                }
                (None, None) => {
                    let wait = self.in_its_unit(queued(job, place, self.now()));
                    self.or_unserved(self.or_frozen(job, shared, wait))
                }
            },
            State::Starting => of("start", "its start is being sent".to_owned(), None),
            State::StartUnknown => {
                let text = "the answer to its start was lost: its task is being looked for by marker";
                of("lost_start", text.to_owned(), Some(job.state_since.plus(self.tuning.look_up_window)))
            }
            State::Running => of("agent", format!("the agent works{link}"), None),
            State::WaitingForUser => of("person", format!("the agent waits for a person{link}"), None),
            State::Verifying => {
                let frozen = self.frozen(job, shared);
                let (text, clears_at) = match (self.closures.kill_switch(), frozen) {
                    (None, None) => ("the result is being found and checked".to_owned(), None),
                    (Some(closure), _) => (gates::not_handed_over(&closure), None),
                    (None, Some(frozen)) => {
                        (format!("the result is checked, and not handed over: {frozen}"), frozen.until)
                    }
                };
                of("verification", text, clears_at)
            }
            State::InReview => {
                let reviewer = job.reviewer.as_deref().unwrap_or("a reviewer");
                let url = job
                    .pull()
                    .and_then(|pull| pull.html_url)
                    .map(|url| format!(": {url}"))
                    .unwrap_or_default();
                of("review", format!("in review by {reviewer}{url}"), None)
            }
            State::Quarantined => {
                let why = job.outcome_text().map(|why| format!(": {why}")).unwrap_or_default();
                let text = format!("a person must look at the result before it may be used{why}");
                of("quarantine", text, None)
            }
            State::Succeeded | State::Rejected | State::Dead | State::Cancelled => return None,
        })
    }

    pub async fn list_budgets(&self) -> Result<Vec<BudgetView>, LedgerError> {
        let now = self.now();
        let mut views: Vec<BudgetView> = Vec::new();
        for row in self.ledger.budgets().await? {
            let limit = row.limit_override.or_else(|| self.policy.rules.limit(&row.id));
            // A closure whose time has come is over, though nobody has lifted it.
            let closed_by = row.closed_by();
            let closed = closed_by.last().filter(|closure| closure.holds_at(now)).cloned();
            if row.id.is_gate() && closed.is_none() {
                continue;
            }
            views.push(BudgetView {
                used: row.used,
                limit,
                limit_set_by_operator: row.limit_override.is_some(),
                closed,
                closed_by: ClosedFor::at(&closed_by, now),
                nano_credits: self.is_spend(&row.id),
                key: row.id,
            });
        }
        // People of a pool are shown before they hold anything.
        for pool in self.policy.rules.pools.values() {
            for member in &pool.members {
                let key = Key::member(&pool.name, &member.login);
                if views.iter().all(|view| view.key != key) {
                    views.push(BudgetView::untouched(key, Some(member.limit), false));
                }
            }
        }
        // So are budgets that exist once.
        for rule in self.policy.rules.budgets.iter().filter(|rule| rule.per == Scope::Global) {
            let key = Key::scoped(&rule.name, rule.per, "");
            if views.iter().all(|view| view.key != key) {
                views.push(BudgetView::untouched(key, Some(rule.limit), rule.kind == Kind::Spend));
            }
        }
        views.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(views)
    }

    /// A job that waits for a time because it was found frozen is told the freeze.
    fn or_frozen(&self, job: &JobRow, shared: &SharedSpec, wait: Wait) -> Wait {
        let frozen = if wait.reason == "time" { self.frozen(job, shared) } else { None };
        match frozen {
            Some(frozen) => Wait {
                reason: "closed".to_owned(),
                text: frozen.to_string(),
                clears_at: frozen.until,
                ..wait
            },
            None => wait,
        }
    }

    /// Whose turn it is does not matter while nobody calls up.
    fn or_unserved(&self, wait: Wait) -> Wait {
        match self.life.unserved().filter(|_| wait.reason == "turn") {
            Some(why) => {
                let text = format!("{why} (`sluice workers` tells who does what)");
                Wait { reason: "worker".to_owned(), text, ..wait }
            }
            None => wait,
        }
    }

    /// Credits are told as credits.
    fn in_its_unit(&self, mut wait: Wait) -> Wait {
        if let Some(refusal) = wait.budget.as_ref().filter(|refusal| self.is_spend(&refusal.key)) {
            wait.text = refusal_in_credits(refusal);
        }
        wait
    }

    pub(super) fn is_spend(&self, key: &Key) -> bool {
        self.policy.rules.budgets.iter().any(|rule| rule.kind == Kind::Spend && rule.name == key.name())
    }

    pub async fn request_view(&self, id: RequestId) -> Result<Option<RequestView>, LedgerError> {
        let Some(shared) = self.ledger.request(id).await? else { return Ok(None) };
        let states = self.ledger.counts(Some(id)).await?;
        let ended = states.iter().all(|count| count.state.is_terminal());
        Ok(Some(RequestView { request: shared.row.clone(), states, ended }))
    }

    pub async fn overview(&self) -> Result<Overview, LedgerError> {
        let budgets = self.list_budgets().await?;
        let waiting = self.gate.counts().await.map_or(0, |counts| counts.waiting);
        Ok(Overview {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now: self.now(),
            states: self.ledger.counts(None).await?,
            live_tasks: self.live_tasks().await?,
            waiting_at_gate: waiting,
            workers: self.ledger.workers_at_work().await?,
            gate: self.gate_standing(),
            closed: gates::closed(budgets),
        })
    }
}

/// When holds that end with their period will have made room, as far as these tell.
fn rolls_over_at(refusal: &Refusal, holds: &[HoldRow]) -> Option<Timestamp> {
    let limit = refusal.limit?;
    let mut ends: Vec<_> = holds.iter().filter_map(|hold| Some((hold.expires_at?, hold.amount))).collect();
    ends.sort_unstable_by_key(|(at, _)| *at);
    let mut used = refusal.used;
    for (at, amount) in ends {
        used = used.minus(amount);
        if used.plus(refusal.need).is_some_and(|sum| sum <= limit) {
            return Some(at);
        }
    }
    None
}

fn queued(job: &JobRow, place: Option<&Place>, now: Timestamp) -> Wait {
    let base = |reason: &str, text: String, since, clears_at| Wait {
        reason: reason.to_owned(),
        text,
        since,
        clears_at,
        budget: None,
    };
    let retry = |at: Timestamp| {
        base("time", format!("not before {at} (in {})", at.since(now)), job.state_since, Some(at))
    };
    match place {
        None => match job.due_at.filter(|due| *due > now) {
            Some(due) => retry(due),
            None => base("turn", "about to be put in line".to_owned(), job.state_since, None),
        },
        Some(place) => match &place.reason {
            WaitReason::Budget(refusal) => {
                let reason = if refusal.kind == RefusalKind::Closed { "closed" } else { "budget" };
                let mut wait = base(reason, refusal.to_string(), place.since, refusal.clears_at);
                wait.budget = Some(refusal.clone());
                wait
            }
            WaitReason::Turn => base("turn", "waits for its turn".to_owned(), place.since, None),
            WaitReason::Time(at) => retry(*at),
            WaitReason::Proposed => base("ledger", "is being admitted".to_owned(), place.since, None),
        },
    }
}
