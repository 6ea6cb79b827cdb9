//! A decision that was made, held against the one that a policy would make now: what differs, and what cannot be told. Pure:
//! what was recorded and what is known of repositories are handed in.

mod recorded;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use self::{
    recorded::{Asked, Recorded, RecordedJob},
    tally::Tally,
};
use crate::policy::{Finding, Outcome, Plan, PlannedJob, Problem, Skip, problem::Code};

/// How a repository stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    pub outcome: Outcome,
    /// Tokens of what denies or holds; remarks are left out.
    pub reasons: BTreeSet<String>,
    /// None: the provider chooses, or the repository is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<bool>,
    /// 0: the request has no waves.
    pub wave: u32,
}

impl Stand {
    fn denied(reasons: BTreeSet<String>) -> Self {
        let outcome = Outcome::Deny;
        Self { outcome, reasons, model: None, identity: None, pull_request: None, wave: 0 }
    }

    fn recorded(job: &RecordedJob, pull_request: bool) -> Self {
        Self {
            outcome: job.decision.outcome(),
            reasons: reasons(&job.decision.findings),
            model: job.model.clone(),
            identity: Some(job.identity.clone()),
            pull_request: Some(pull_request),
            wave: job.wave,
        }
    }

    pub fn planned(job: &PlannedJob, pull_request: bool) -> Self {
        Self {
            outcome: job.decision.outcome(),
            reasons: reasons(&job.decision.findings),
            model: job.model.clone(),
            identity: Some(job.subject.identity.clone()),
            pull_request: Some(pull_request),
            wave: job.wave,
        }
    }

    pub fn skipped(skip: &Skip) -> Self {
        let found = reasons(&skip.findings);
        Self::denied(if found.is_empty() { [skip.reason.clone()].into() } else { found })
    }

    /// Of every repository of a request that is refused as a whole.
    pub fn refused(problems: &[Problem]) -> Self {
        Self::denied(problems.iter().map(|problem| problem.code.as_str().to_owned()).collect())
    }
}

fn reasons(findings: &[Finding]) -> BTreeSet<String> {
    let strict = findings.iter().filter(|finding| finding.outcome > Outcome::Allow);
    strict.map(|finding| finding.reason.clone()).collect()
}

/// A part of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    Outcome,
    Reasons,
    Model,
    Identity,
    PullRequest,
    Wave,
}

impl Aspect {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Outcome => "outcome",
            Self::Reasons => "reasons",
            Self::Model => "model",
            Self::Identity => "identity",
            Self::PullRequest => "pull-request",
            Self::Wave => "wave",
        }
    }
}

/// The answer for one repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Same,
    Differs,
    Unknown,
}

/// One repository of one request, then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub repository: String,
    pub verdict: Verdict,
    pub changed: Vec<Aspect>,
    pub was: Stand,
    /// None: the new policy cannot say anything.
    pub is: Option<Stand>,
    /// Tokens: why it is unknown, or what the answer rests on.
    pub notes: BTreeSet<String>,
}

/// Token of a decision for which something that the new policy wants to know is not kept.
pub const FACTS_MISSING: &str = "facts-missing";
/// The new policy has no such template, or not in this version.
pub const TEMPLATE_GONE: &str = "template-gone";
/// The file of this version is not the one that was used.
pub const TEMPLATE_CHANGED: &str = "template-changed";
/// What is known of the repository was asked after the decision.
pub const FACTS_NEWER: &str = "facts-newer";
/// Open pull requests are not kept; none is taken to have been open.
pub const PULLS_ASSUMED: &str = "no-open-pull-assumed";
/// Whether the request named a model or waves was not kept.
pub const ASKED_UNKNOWN: &str = "asked-unknown";

/// A note as a sentence.
pub fn note_text(note: &str) -> &'static str {
    match note {
        FACTS_MISSING => {
            "the policy wants to know something of the repository that is not kept, so its outcome is not judged"
        }
        TEMPLATE_GONE => {
            "the policy has no such version of the template; --newest-templates takes the newest one"
        }
        TEMPLATE_CHANGED => "the file of this version is not the one that was used",
        FACTS_NEWER => {
            "what is kept of the repository was asked after the decision, so it may be the reason for a difference"
        }
        PULLS_ASSUMED => "open pull requests of the agent are not kept; it is taken that there was none",
        ASKED_UNKNOWN => "accepted by a version that did not keep whether a model or waves were asked for",
        _ => "",
    }
}

/// Holds what was decided against what would be. `notes`: what is to be said of each repository, by its name.
pub fn compare(
    recorded: &Recorded,
    new: &Result<Plan, Vec<Problem>>,
    notes: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Compared> {
    let mut shared: BTreeSet<String> = BTreeSet::new();
    let stands: BTreeMap<String, Stand> = match new {
        Ok(plan) => {
            if plan.template.version == recorded.template.1
                && plan.template.digest != recorded.template_digest
            {
                shared.insert(TEMPLATE_CHANGED.to_owned());
            }
            let pull = plan.template.pull_request;
            let jobs = plan.jobs.iter().map(|job| (job.repository.to_string(), Stand::planned(job, pull)));
            jobs.chain(plan.skipped.iter().map(|skip| (skip.repository.clone(), Stand::skipped(skip))))
                .collect()
        }
        Err(_) => BTreeMap::new(),
    };
    let refused = new.as_ref().err().map(|problems| Stand::refused(problems));
    if new.as_ref().is_err_and(|found| found.iter().any(|one| one.code == Code::UnknownTemplate)) {
        shared.insert(TEMPLATE_GONE.to_owned());
    }
    if recorded.asked.is_none() {
        shared.insert(ASKED_UNKNOWN.to_owned());
    }
    // What one repository lacks can move every other one to another wave.
    let waves = recorded.asked.is_some() && !notes.values().any(|notes| notes.contains(FACTS_MISSING));
    let jobs = recorded
        .jobs
        .iter()
        .map(|job| (job.repository.to_string(), Stand::recorded(job, recorded.pull_request)));
    let skipped = recorded.skipped.iter().map(|skip| (skip.repository.clone(), Stand::skipped(skip)));
    let one = |(repository, was): (String, Stand)| {
        let mut notes = notes.get(&repository).cloned().unwrap_or_default();
        notes.extend(shared.iter().cloned());
        let is = stands.get(&repository).or(refused.as_ref()).cloned();
        judged(repository, was, is, notes, waves)
    };
    jobs.chain(skipped).map(one).collect()
}

fn judged(
    repository: String,
    was: Stand,
    is: Option<Stand>,
    notes: BTreeSet<String>,
    waves: bool,
) -> Compared {
    let gone = notes.contains(TEMPLATE_GONE);
    let is = is.filter(|_| !gone);
    let outcome = !notes.contains(FACTS_MISSING);
    let changed = is.as_ref().map(|is| differences(&was, is, outcome, waves)).unwrap_or_default();
    let verdict = if !changed.is_empty() {
        Verdict::Differs
    } else if is.is_none() || !outcome {
        Verdict::Unknown
    } else {
        Verdict::Same
    };
    Compared { repository, verdict, changed, was, is, notes }
}

/// `outcome` and `waves`: whether these can be judged.
fn differences(was: &Stand, is: &Stand, outcome: bool, waves: bool) -> Vec<Aspect> {
    let mut changed = Vec::new();
    if outcome && was.outcome != is.outcome {
        changed.push(Aspect::Outcome);
    } else if outcome && was.reasons != is.reasons {
        changed.push(Aspect::Reasons);
    }
    // A repository that is left out has none of the rest.
    if was.outcome == Outcome::Deny || is.outcome == Outcome::Deny {
        return changed;
    }
    let rest = [
        (was.model != is.model, Aspect::Model),
        (was.identity != is.identity, Aspect::Identity),
        (was.pull_request != is.pull_request, Aspect::PullRequest),
        (waves && was.wave != is.wave, Aspect::Wave),
    ];
    changed.extend(rest.into_iter().filter(|(differs, _)| *differs).map(|(_, aspect)| aspect));
    changed
}
