//! Looking ahead: a plan with what it meets and will probably cost; and applying a plan that was looked at, if it still holds.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    budget::{Amount, Key, Release, Scope, Truth},
    job::{id::RequestId, time::Timestamp},
    ledger::{LedgerError, past::PastJob},
    pipeline::{
        context::Context,
        plan_view::{Applicable, MetBudget, PlanView, PlannedView, PullRequestPolicy, Wanted},
        submit::SubmitError,
        view::{Accepted, BudgetView, GateView},
    },
    policy::{
        self, Outline, Plan, Problem, Request,
        estimate::{Estimate, Group, Sample, estimate},
        problem::Code,
    },
};

/// Why a plan was not applied. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// With what is different now.
    #[error("the plan does not hold any more: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Changed(Vec<Problem>),
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

impl From<LedgerError> for ApplyError {
    fn from(error: LedgerError) -> Self {
        Self::Submit(error.into())
    }
}

/// A budget as the jobs of a plan meet it.
#[derive(Default)]
struct Met {
    asked: u64,
    jobs: u64,
}

impl Context {
    /// The plan as people and programs read it. Nothing is kept.
    pub async fn preview(&self, request: &Request, wanted: &Wanted) -> Result<PlanView, SubmitError> {
        let plan = self.plan(request).await?;
        if let Some(name) = wanted.prompt.as_deref().filter(|name| !name.is_empty())
            && !plan.jobs.iter().any(|job| job.repository.full_name().eq_ignore_ascii_case(name))
        {
            let what = format!("the plan has no job in `{name}`");
            let problem = Problem::new(Code::BadRepository, what)
                .at("prompt")
                .hint("name a repository that is not skipped");
            return Err(SubmitError::Invalid(vec![problem]));
        }
        let met = met(&plan);
        let keys: Vec<Key> = met.keys().flat_map(|key| self.counted(key)).collect();
        let truths = self.ledger.truths_of(&keys).await?;
        let truths: BTreeMap<Key, Truth> =
            truths.into_iter().map(|truth| (truth.key.clone(), truth)).collect();
        let budgets = self.met_budgets(&met, &truths);
        let estimate = self.estimate(&plan, &budgets).await?;
        let outline = wanted.outline.then(|| Outline::of(&plan));
        Ok(PlanView {
            template: plan.template.id(),
            digest: plan.digest.clone(),
            team: plan.team.clone(),
            priority: plan.priority,
            jobs: plan.jobs.iter().map(|job| PlannedView::of(job, &plan.request, wanted)).collect(),
            skipped: plan.skipped.clone(),
            risk: plan.template.risk,
            pull_request: PullRequestPolicy::of(&plan),
            budgets: budgets.into_iter().filter(shown).collect(),
            closed: self.closed_on_the_way(&plan).await?,
            estimate,
            applicable: outline.map(|outline| Applicable {
                digest: plan.digest,
                request: plan.request,
                outline,
            }),
        })
    }

    /// Accepts what was planned, if planning it again gives the same. `through`: the token that hands it in for somebody else.
    pub async fn apply(&self, planned: Applicable, through: Option<&str>) -> Result<Accepted, ApplyError> {
        let Applicable { digest, request, outline } = planned;
        if outline.digest() != digest {
            let what = "the plan's digest does not belong to what is in it";
            let hint = "plan again: a plan file is not to be edited";
            let problem = Problem::new(Code::BadPlan, what).at("digest").hint(hint);
            return Err(SubmitError::Invalid(vec![problem]).into());
        }
        if let Some(known) = self.accepted_before(&request).await? {
            return Ok(known);
        }
        let facts = self.survey(&request).await?;
        let id = RequestId::new(self.now(), self.entropy.draw_wide());
        let plan = policy::plan(&request, &self.plan_context(id, &facts)).map_err(SubmitError::Invalid)?;
        let now = Outline::of(&plan);
        if now != outline {
            return Err(ApplyError::Changed(outline.differences(&now)));
        }
        let draft = self.draft_of(id, &plan, request.body_digest())?;
        let draft = draft.noting(through).map_err(SubmitError::from)?;
        let answer = self.record_drafts(std::slice::from_ref(&draft)).await.pop();
        let lost = || LedgerError::Corrupt("a plan was not answered".into()).into();
        Ok(answer.unwrap_or_else(|| Err(lost()))?)
    }

    /// The keys under which a demand is counted: a pool's are those of its members.
    fn counted(&self, key: &Key) -> Vec<Key> {
        match self.policy.rules.pool(key) {
            Some(pool) => pool.members.iter().map(|member| Key::member(&pool.name, &member.login)).collect(),
            None => vec![key.clone()],
        }
    }

    fn met_budgets(&self, met: &BTreeMap<Key, Met>, truths: &BTreeMap<Key, Truth>) -> Vec<MetBudget> {
        let now = self.now();
        let view = |(key, met): (&Key, &Met)| {
            let counted = self.counted(key);
            let mut sum = (Amount::ZERO, None);
            for one in &counted {
                let truth = truths.get(one);
                let limit = truth.map_or_else(|| self.policy.rules.limit(one), |truth| truth.limit);
                sum.0 = truth.and_then(|truth| sum.0.plus(truth.used)).unwrap_or(sum.0);
                sum.1 = match (sum.1, limit) {
                    (None, limit) => limit,
                    (Some(so_far), Some(limit)) => Amount::plus(so_far, limit).or(Some(so_far)),
                    (so_far, None) => so_far,
                };
            }
            let closed = truths.get(key).and_then(|truth| truth.closed.clone());
            let budget = BudgetView {
                used: sum.0,
                closed: closed.filter(|closure| closure.holds_at(now)),
                ..BudgetView::untouched(key.clone(), sum.1, self.is_spend(key))
            };
            let asked = Amount::new(met.asked).unwrap_or_default();
            MetBudget { budget, asked, jobs: met.jobs }
        };
        met.iter().map(view).collect()
    }

    async fn closed_on_the_way(&self, plan: &Plan) -> Result<Vec<GateView>, LedgerError> {
        let gates: BTreeSet<Key> = plan.jobs.iter().flat_map(|job| job.subject.gates()).collect();
        let now = self.now();
        let truths = self.ledger.gates().await?;
        let closed = truths.into_iter().filter(|truth| gates.contains(&truth.key)).filter_map(|truth| {
            let closure = truth.closed.filter(|closure| closure.holds_at(now))?;
            Some(GateView { closure: Some(closure), ..GateView::open(truth.key) })
        });
        Ok(closed.collect())
    }

    async fn estimate(&self, plan: &Plan, budgets: &[MetBudget]) -> Result<Estimate, LedgerError> {
        let mut groups: BTreeMap<Group, u64> = BTreeMap::new();
        for job in &plan.jobs {
            let class = self.policy.repositories.class_of(&job.repository);
            let count = groups.entry(Group { model: job.model.clone(), class }).or_default();
            *count = count.saturating_add(1);
        }
        let past = self.ledger.past_jobs(&plan.template.name).await?;
        let samples: Vec<Sample> = past.into_iter().map(|past| self.sample(past)).collect();
        let holds = holding(plan);
        Ok(estimate(&groups, &samples, rounds(budgets, &holds), self.now()))
    }

    fn sample(&self, past: PastJob) -> Sample {
        let since = |from: Timestamp| past.ended_at.map(|end| end.since(from));
        Sample {
            whole: since(past.intent_at),
            review: past.review_at.and_then(since),
            group: Group { class: self.policy.repositories.class_of(&past.repository), model: past.model },
            nano_credits: past.nano_credits,
        }
    }
}

/// Every budget of the plan's jobs; gates are looked at by themselves.
fn met(plan: &Plan) -> BTreeMap<Key, Met> {
    let mut met: BTreeMap<Key, Met> = BTreeMap::new();
    for demand in plan.jobs.iter().flat_map(|job| &job.demands).filter(|demand| !demand.key.is_gate()) {
        let of = met.entry(demand.key.clone()).or_default();
        of.asked = of.asked.saturating_add(demand.amount.get());
        of.jobs = of.jobs.saturating_add(1);
    }
    met
}

/// Budgets that limit how many jobs are under way at once.
fn holding(plan: &Plan) -> BTreeSet<Key> {
    let demands = plan.jobs.iter().flat_map(|job| &job.demands);
    let holds = demands.filter(|demand| matches!(demand.release, Release::AgentStops | Release::Change));
    holds.map(|demand| demand.key.clone()).collect()
}

/// How often the tightest limit must be filled with what has room now, one place at least; None: a limit lets nothing through.
fn rounds(budgets: &[MetBudget], holds: &BTreeSet<Key>) -> Option<u64> {
    let mut rounds: u64 = 1;
    for met in budgets {
        let Some(limit) = met.budget.limit else { continue };
        let each = met.asked.get() / met.jobs.max(1);
        if met.budget.closed.is_some() || limit.get() < each {
            return None;
        }
        if holds.contains(&met.budget.key) {
            let room = limit.get().saturating_sub(met.budget.used.get()).max(1);
            rounds = rounds.max(met.asked.get().div_ceil(room));
        }
    }
    Some(rounds)
}

/// Thousands of repositories have thousands of budgets of their own: only those without room are told.
fn shown(met: &MetBudget) -> bool {
    let own = met.budget.key.scope().is_some_and(|(scope, _)| scope == Scope::Repository);
    let full =
        met.budget.limit.is_some_and(|limit| met.budget.used.plus(met.asked).is_none_or(|sum| sum > limit));
    !own || full || met.budget.closed.is_some()
}
