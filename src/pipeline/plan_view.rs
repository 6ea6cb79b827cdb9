//! A plan for people and programs: what would start, be held or be left out, with which reasons, and what it meets.

use serde::{Deserialize, Serialize};

use crate::{
    budget::Amount,
    job::repository::Repository,
    pipeline::view::{BudgetView, GateView},
    policy::{
        Finding, Outcome, Outline, Plan, PlannedJob, Request, Skip,
        estimate::Estimate,
        template::{PullRequestText, Risk},
    },
};

/// How much of a plan is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// None: the prompts of all jobs. Else that of one repository; an empty text is no repository.
    pub prompt: Option<String>,
    /// What can be applied later.
    pub outline: bool,
}

/// The plan. Fields that came later have defaults, so that an older daemon's answer can be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlanView {
    pub template: String,
    pub digest: String,
    pub team: String,
    pub priority: u8,
    pub jobs: Vec<PlannedView>,
    pub skipped: Vec<Skip>,
    #[serde(default)]
    pub risk: Risk,
    #[serde(default)]
    pub pull_request: PullRequestPolicy,
    /// Those that are shared, and those of single repositories that have no room.
    #[serde(default)]
    pub budgets: Vec<MetBudget>,
    /// Gates on the way that are closed now.
    #[serde(default)]
    pub closed: Vec<GateView>,
    #[serde(default)]
    pub estimate: Estimate,
    /// The request as it was understood, and what can be compared later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applicable: Option<Applicable>,
}

/// What a plan file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Applicable {
    /// Of the outline.
    pub digest: String,
    pub request: Request,
    pub outline: Outline,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PullRequestPolicy {
    pub wanted: bool,
    pub base_ref: Option<String>,
    pub labels: Vec<String>,
    /// Pool of reviewers.
    pub reviewers: Option<String>,
    pub required_checks: Vec<String>,
    /// As written in the template.
    pub text: PullRequestText,
}

/// A budget with what the plan asks of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct MetBudget {
    #[serde(flatten)]
    pub budget: BudgetView,
    /// By all jobs together.
    pub asked: Amount,
    pub jobs: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlannedView {
    pub repository: Repository,
    pub model: Option<String>,
    #[serde(default)]
    pub model_by: String,
    #[serde(default)]
    pub identity: String,
    /// `allow`: it queues at once. `needs_approval`: it is held.
    #[serde(default)]
    pub outcome: Outcome,
    #[serde(default)]
    pub findings: Vec<Finding>,
    pub budgets: Vec<crate::budget::Key>,
    pub prompt_digest: String,
    /// Left out if it was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// From 1; 0: there are no waves.
    #[serde(default)]
    pub wave: u32,
}

impl PlannedView {
    pub fn of(job: &PlannedJob, request: &Request, wanted: &Wanted) -> Self {
        let shown =
            wanted.prompt.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(job.repository.full_name()));
        let outcome = if request.hold { Outcome::NeedsApproval } else { Outcome::Allow };
        Self {
            repository: job.repository.clone(),
            model: job.model.clone(),
            model_by: job.model_by.clone(),
            identity: job.subject.identity.clone(),
            outcome: outcome.max(job.decision.outcome()),
            findings: job.decision.findings.clone(),
            budgets: job
                .demands
                .iter()
                .filter(|demand| !demand.key.is_gate())
                .map(|demand| demand.key.clone())
                .collect(),
            prompt_digest: job.prompt_digest.clone(),
            prompt: shown.then(|| job.prompt.clone()),
            wave: job.wave,
        }
    }
}

impl PullRequestPolicy {
    pub fn of(plan: &Plan) -> Self {
        let template = &plan.template;
        Self {
            wanted: template.pull_request,
            base_ref: template.base_ref.clone(),
            labels: template.labels.clone(),
            reviewers: template.reviewers.clone(),
            required_checks: template
                .required_checks
                .as_ref()
                .map(|checks| checks.names.clone())
                .unwrap_or_default(),
            text: template.pull_request_text.clone(),
        }
    }
}
