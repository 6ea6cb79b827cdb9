//! A request as the ledger keeps it, and the request that it was.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    job::{Repository, time::Timestamp},
    policy::{
        Decision, Finding, Request, Skip,
        facts::OpenPull,
        waves::{self, Waves},
    },
};

/// What a request asked for that neither its row nor its jobs tell; kept with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waves: Option<waves::Rule>,
}

impl Asked {
    pub fn of(request: &Request) -> Self {
        Self {
            model: request.model.clone(),
            model_reason: request.model_reason.clone(),
            waves: request.waves.clone(),
        }
    }
}

/// A request as it was decided.
#[derive(Clone, Debug)]
pub struct Recorded {
    pub id: String,
    pub at: Timestamp,
    /// Name and version.
    pub template: (String, u32),
    pub template_digest: String,
    pub requester: String,
    pub team: String,
    pub reason: Option<String>,
    pub inputs: Map<String, Value>,
    pub hold: bool,
    pub pull_request: bool,
    pub waves: Option<Waves>,
    /// None: not kept.
    pub asked: Option<Asked>,
    pub jobs: Vec<RecordedJob>,
    pub skipped: Vec<Skip>,
}

/// A repository that got a job.
#[derive(Clone, Debug)]
pub struct RecordedJob {
    pub repository: Repository,
    pub identity: String,
    pub model: Option<String>,
    pub wave: u32,
    pub decision: Decision,
    pub adopts: Option<OpenPull>,
}

impl Recorded {
    /// The request again, with the given version of its template. What was not kept is taken from what it led to.
    pub fn request(&self, version: u32) -> Request {
        let escalated = || {
            let escalates = |finding: &&Finding| finding.reason == "model-escalated";
            self.jobs.iter().find_map(|job| {
                let reason = job.decision.findings.iter().find(escalates)?.text.clone();
                Some(Asked { model: job.model.clone(), model_reason: Some(reason), waves: None })
            })
        };
        let asked = self.asked.clone().or_else(escalated).unwrap_or_default();
        let jobs = self.jobs.iter().map(|job| job.repository.to_string());
        Request {
            template: format!("{}@{version}", self.template.0),
            repositories: jobs.chain(self.skipped.iter().map(|skip| skip.repository.clone())).collect(),
            inputs: self.inputs.clone(),
            requester: self.requester.clone(),
            team: Some(self.team.clone()).filter(|team| !team.is_empty()),
            reason: self.reason.clone(),
            priority: None,
            idempotency_key: None,
            deadline_minutes: None,
            hold: self.hold,
            waves: asked.waves,
            model: asked.model,
            model_reason: asked.model_reason,
        }
    }

    /// The seed of the draw that was made, so that the same waves are cut in the same way.
    pub fn seed(&self) -> Option<u32> {
        self.waves.as_ref().map(|waves| waves.seed)
    }

    /// The open pull requests of the agent that decided something then, each as far as it matters.
    pub fn pulls(&self, labels: &[String]) -> BTreeMap<Repository, OpenPull> {
        let said = |findings: &[Finding]| findings.iter().any(|finding| finding.reason == "open-agent-pull");
        let unnamed = || OpenPull {
            number: 0,
            head_ref: String::new(),
            base_ref: String::new(),
            labels: labels.to_vec(),
            html_url: None,
        };
        let adopted = self.jobs.iter().filter_map(|job| {
            let pull = job.adopts.clone().or_else(|| said(&job.decision.findings).then(unnamed))?;
            Some((job.repository.clone(), pull))
        });
        let in_the_way = self.skipped.iter().filter(|skip| said(&skip.findings));
        adopted
            .chain(in_the_way.filter_map(|skip| Some((skip.repository.parse().ok()?, unnamed()))))
            .collect()
    }
}
