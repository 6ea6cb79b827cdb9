//! What the demo found, as one JSON document: what happened, what it showed, and what was wrong.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        demo::{
            checks::StandIn,
            observe::Observed,
            trail::{self, Step},
        },
        exit::{CliError, Exit},
        words,
    },
    job::{state::State, time::Millis},
    pipeline::view::{Accepted, JobDetail},
};

#[derive(Debug, Serialize)]
pub struct Document {
    /// Everything was shown and no invariant is broken.
    pub ok: bool,
    pub elapsed_ms: u64,
    pub request: String,
    pub jobs: Vec<Job>,
    /// Jobs by how they ended.
    pub outcomes: BTreeMap<&'static str, usize>,
    pub waits: BTreeMap<&'static str, Waited>,
    pub notices: Vec<Notice>,
    /// Spent, with one decimal.
    pub credits: f64,
    pub nano_credits: u64,
    pub showed: Showed,
    /// What should have been shown and was not.
    pub missing: Vec<&'static str>,
    pub invariants: Invariants,
}

#[derive(Debug, Serialize)]
pub struct Job {
    pub id: String,
    pub repository: String,
    pub state: State,
    pub attempts: usize,
    pub reviewer: Option<String>,
    pub pull_url: Option<String>,
    pub nano_credits: u64,
    pub waited_ms: BTreeMap<&'static str, u64>,
    pub trail: Vec<Step>,
}

/// All waits for one thing.
#[derive(Debug, Default, Serialize)]
pub struct Waited {
    pub jobs: usize,
    pub total_ms: u64,
    pub longest_ms: u64,
    /// The repository whose job waited longest.
    pub longest: String,
}

#[derive(Debug, Serialize)]
pub struct Notice {
    pub kind: String,
    pub repository: String,
    pub delivered: bool,
    /// The receiver got it with a signature that fits.
    pub signed: bool,
}

/// Repositories whose jobs showed it.
#[derive(Debug, Serialize)]
pub struct Showed {
    pub waited_for_slot: Vec<String>,
    pub waited_for_reviewer: Vec<String>,
    pub waiting_for_user: Vec<String>,
    pub retried: Vec<String>,
    pub dead: Vec<String>,
    pub timed_out: Vec<String>,
    pub merged: Vec<String>,
    /// A merge gave a reviewer's place back.
    pub freed_by_merge: Vec<String>,
    pub start_found_by_marker: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Invariants {
    /// Tasks that the stand-in created.
    pub creates: usize,
    pub attempts: usize,
    pub broken: Vec<String>,
}

impl Document {
    pub fn to_json(&self) -> Result<String, CliError> {
        serde_json::to_string_pretty(self)
            .map_err(|error| CliError::new(Exit::Failure, format!("the document cannot be written: {error}")))
    }
}

impl Showed {
    fn of(details: &[JobDetail], observed: &Observed, notices: &[Notice]) -> Self {
        let those = |shows: &dyn Fn(&JobDetail) -> bool| -> Vec<String> {
            details
                .iter()
                .filter(|detail| shows(detail))
                .map(|detail| detail.job.repository.to_string())
                .collect()
        };
        let waited = |detail: &JobDetail, cause: &str| observed.waits_of(detail.job.id).contains_key(cause);
        let told = |detail: &JobDetail| {
            let repository = detail.job.repository.full_name();
            notices.iter().any(|notice| {
                notice.kind == "job.needs_user" && notice.repository == repository && notice.signed
            })
        };
        Self {
            waited_for_slot: those(&|detail| waited(detail, "slot")),
            waited_for_reviewer: those(&|detail| waited(detail, "reviewer")),
            waiting_for_user: those(&|detail| trail::met(detail, "needs_user") && told(detail)),
            retried: those(&|detail| trail::met(detail, "retried")),
            dead: those(&|detail| detail.job.state == State::Dead),
            timed_out: those(&|detail| trail::failure_class(detail) == Some("timed_out")),
            merged: those(&|detail| trail::met(detail, "merged")),
            freed_by_merge: those(&|detail| trail::freed(detail, "merged", "pool/")),
            start_found_by_marker: those(&trail::found_by_marker),
        }
    }

    /// Each with what it is called.
    pub fn all(&self) -> [(&'static str, &[String]); 9] {
        [
            ("waited_for_slot", &self.waited_for_slot),
            ("waited_for_reviewer", &self.waited_for_reviewer),
            ("waiting_for_user", &self.waiting_for_user),
            ("retried", &self.retried),
            ("dead", &self.dead),
            ("timed_out", &self.timed_out),
            ("merged", &self.merged),
            ("freed_by_merge", &self.freed_by_merge),
            ("start_found_by_marker", &self.start_found_by_marker),
        ]
    }
}

/// `end` is the time that it took and every broken invariant.
pub fn build(
    accepted: &Accepted,
    details: &[JobDetail],
    observed: &Observed,
    stand_in: &StandIn,
    end: (Millis, Vec<String>),
) -> Document {
    let (elapsed, broken) = end;
    let notices = notices(details, stand_in);
    let showed = Showed::of(details, observed, &notices);
    let missing: Vec<&str> =
        showed.all().into_iter().filter(|(_, seen)| seen.is_empty()).map(|(name, _)| name).collect();
    let nano_credits = details.iter().map(|detail| detail.nano_credits).fold(0, u64::saturating_add);
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for detail in details {
        *outcomes.entry(detail.job.state.as_str()).or_default() += 1;
    }
    Document {
        ok: missing.is_empty() && broken.is_empty(),
        elapsed_ms: elapsed.0,
        request: accepted.request.to_string(),
        jobs: details.iter().map(|detail| job(detail, observed)).collect(),
        outcomes,
        waits: waits(details, observed),
        notices,
        credits: words::credits(nano_credits).parse().unwrap_or_default(),
        nano_credits,
        showed,
        missing,
        invariants: Invariants {
            creates: stand_in.creates(),
            attempts: details.iter().map(|detail| detail.attempts.len()).sum(),
            broken,
        },
    }
}

fn job(detail: &JobDetail, observed: &Observed) -> Job {
    let waited = observed.waits_of(detail.job.id);
    Job {
        id: detail.job.id.to_string(),
        repository: detail.job.repository.to_string(),
        state: detail.job.state,
        attempts: detail.attempts.len(),
        reviewer: detail.job.reviewer.clone(),
        pull_url: detail.job.pull_url.clone(),
        nano_credits: detail.nano_credits,
        waited_ms: waited.into_iter().map(|(cause, span)| (cause, span.0)).collect(),
        trail: trail::steps(detail),
    }
}

fn waits(details: &[JobDetail], observed: &Observed) -> BTreeMap<&'static str, Waited> {
    let mut waits: BTreeMap<&str, Waited> = BTreeMap::new();
    for detail in details {
        for (cause, span) in observed.waits_of(detail.job.id) {
            let waited = waits.entry(cause).or_default();
            waited.jobs += 1;
            waited.total_ms = waited.total_ms.saturating_add(span.0);
            if span.0 >= waited.longest_ms {
                waited.longest_ms = span.0;
                waited.longest = detail.job.repository.to_string();
            }
        }
    }
    waits
}

fn notices(details: &[JobDetail], stand_in: &StandIn) -> Vec<Notice> {
    let mut notices = Vec::new();
    for detail in details {
        notices.extend(detail.notices.iter().map(|notice| Notice {
            kind: notice.kind.clone(),
            repository: detail.job.repository.to_string(),
            delivered: notice.delivered_at.is_some(),
            signed: stand_in.has_signed(&notice.id.to_string()),
        }));
    }
    notices
}
