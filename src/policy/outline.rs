//! What a plan has decided, without the texts: what its digest covers, and what can be compared when the world has moved on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    budget::{Key, Scope},
    job::Repository,
    policy::{
        Decision, Outcome, Plan, PlannedJob, Problem, Skip, facts::OpenPull, problem::Code, request::sha256,
        text, waves::Waves,
    },
};

/// Differences that are told one by one.
const TOLD_MAX: usize = 50;

/// Everything that was decided. The request's id, which some keys of budgets carry, is left out: the same request gives the
/// same outline whenever it is planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Outline {
    /// Digest of the request as normalised, without its idempotency key.
    pub request: String,
    /// `name@version`.
    pub template: String,
    pub template_digest: String,
    pub jobs: Vec<OutlinedJob>,
    pub skipped: Vec<Skip>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<Waves>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutlinedJob {
    pub repository: Repository,
    /// Digest of the prompt.
    pub prompt: String,
    pub model: Option<String>,
    pub identity: String,
    /// Digest of what an attempt takes of the budgets.
    pub budgets: String,
    #[serde(default, skip_serializing_if = "is_plain")]
    pub decision: Decision,
    /// The open pull request that the task goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<OpenPull>,
    /// From 1; 0: there are no waves.
    #[serde(default)]
    pub wave: u32,
}

fn is_plain(decision: &Decision) -> bool {
    decision.findings.is_empty()
}

impl Outline {
    pub fn of(plan: &Plan) -> Self {
        Self {
            request: plan.request.body_digest(),
            template: plan.template.id(),
            template_digest: plan.template.digest.clone(),
            jobs: plan.jobs.iter().map(outlined).collect(),
            skipped: plan.skipped.clone(),
            waves: plan.waves.clone(),
        }
    }

    /// SHA-256 over all of it, in hex.
    pub fn digest(&self) -> String {
        sha256(json!(self).to_string().as_bytes())
    }

    /// What is different now, in sentences, each at its repository or part; none if nothing is.
    pub fn differences(&self, now: &Self) -> Vec<Problem> {
        let told = |at: &str, what: String| Problem::new(Code::PlanChanged, what).at(at);
        let mut found = Vec::new();
        if self.request != now.request {
            found.push(told("request", "the request is not the one that was planned".to_owned()));
        }
        if self.template != now.template {
            found.push(told("template", format!("was {}, is now {}", self.template, now.template)));
        } else if self.template_digest != now.template_digest {
            found.push(told("template", format!("the file of {} has changed", self.template)));
        }
        if self.waves != now.waves {
            found.push(told("waves", "how it is widened has changed".to_owned()));
        }
        let standing = |outline: &Self| -> BTreeMap<String, Standing> {
            let jobs = outline
                .jobs
                .iter()
                .map(|job| (job.repository.to_string(), Standing::Job(Box::new(job.clone()))));
            let skips =
                outline.skipped.iter().map(|skip| (skip.repository.clone(), Standing::Skipped(skip.clone())));
            jobs.chain(skips).collect()
        };
        let (before, after) = (standing(self), standing(now));
        for (repository, was) in &before {
            match after.get(repository) {
                None => found.push(told(repository, "is not in the plan any more".to_owned())),
                Some(is) => found.extend(changes(was, is).into_iter().map(|what| told(repository, what))),
            }
        }
        for repository in after.keys().filter(|name| !before.contains_key(*name)) {
            found.push(told(repository, "is new in the plan".to_owned()));
        }
        if found.is_empty() && self.digest() != now.digest() {
            found.push(told("repositories", "their order has changed".to_owned()));
        }
        let more = found.len().saturating_sub(TOLD_MAX);
        found.truncate(TOLD_MAX);
        if more > 0 {
            found.push(Problem::new(Code::PlanChanged, format!("and {more} more differences")));
        }
        found
    }
}

/// How a repository stands in a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Job(Box<OutlinedJob>),
    Skipped(Skip),
}

fn changes(was: &Standing, is: &Standing) -> Vec<String> {
    let (was, is) = match (was, is) {
        (Standing::Job(was), Standing::Job(is)) => (was, is),
        (Standing::Job(_), Standing::Skipped(skip)) => return vec![format!("is skipped now: {}", skip.text)],
        (Standing::Skipped(skip), Standing::Job(_)) => {
            return vec![format!("is not skipped any more; it was: {}", skip.text)];
        }
        (Standing::Skipped(was), Standing::Skipped(is)) if was != is => {
            return vec![format!("is skipped for another reason: {} (was: {})", is.text, was.text)];
        }
        (Standing::Skipped(_), Standing::Skipped(_)) => return Vec::new(),
    };
    let mut changes = Vec::new();
    if was.prompt != is.prompt {
        changes.push("the prompt has changed".to_owned());
    }
    let model = |job: &OutlinedJob| job.model.clone().unwrap_or_else(|| "not routed".to_owned());
    if was.model != is.model {
        changes.push(format!("the model was {}, is now {}", model(was), model(is)));
    }
    if was.identity != is.identity {
        changes.push(format!("the identity was {}, is now {}", was.identity, is.identity));
    }
    if was.budgets != is.budgets {
        changes.push("what it takes of the budgets has changed".to_owned());
    }
    if was.adopts != is.adopts {
        changes.push("the open pull request that it goes on with is another one".to_owned());
    }
    if was.wave != is.wave {
        changes.push(format!("it was in wave {}, is now in wave {}", was.wave, is.wave));
    }
    if was.decision != is.decision {
        let word = |decision: &Decision| match decision.decisive() {
            Some(finding) => format!("{} ({})", finding.outcome.as_str(), finding.reason),
            None => Outcome::Allow.as_str().to_owned(),
        };
        let (was, is) = (word(&was.decision), word(&is.decision));
        changes.push(if was == is {
            format!("the remarks on it have changed ({is})")
        } else {
            format!("it was {was}, is now {is}")
        });
    }
    changes.into_iter().map(|change| text::shorten(&change, 400)).collect()
}

fn outlined(job: &PlannedJob) -> OutlinedJob {
    let demands: Vec<serde_json::Value> = job
        .demands
        .iter()
        .map(|demand| {
            let key = match demand.key.scope() {
                Some((Scope::Request, _)) => Key::scoped(demand.key.name(), Scope::Request, "*"),
                _ => demand.key.clone(),
            };
            json!([key, demand.amount, demand.release, demand.expiry, demand.exclude])
        })
        .collect();
    OutlinedJob {
        repository: job.repository.clone(),
        prompt: job.prompt_digest.clone(),
        model: job.model.clone(),
        identity: job.subject.identity.clone(),
        budgets: sha256(json!(demands).to_string().as_bytes()),
        decision: job.decision.clone(),
        adopts: job.adopts.clone(),
        wave: job.wave,
    }
}
