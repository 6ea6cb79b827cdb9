//! Policy over history: every request of a span is decided again, under another policy, from what is kept of it. One request
//! is in memory at a time with what is needed for a page of others, however long the history is.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    job::{id::RequestId, time::Timestamp},
    ledger::{
        Ledger, LedgerError, Shared,
        decided::{DecidedJob, Mark},
    },
    pipeline::context::Policy,
    policy::{
        self, Facts, Problem, Request,
        replay::{self, Compared, FACTS_MISSING, FACTS_NEWER, PULLS_ASSUMED, Recorded, RecordedJob},
    },
};

/// Requests that are read together.
const PAGE: i64 = 50;
/// Jobs that are read together, unless one request alone has more.
const JOBS_TOGETHER: i64 = 5_000;

/// What is decided again.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Accepted then or later.
    pub since: Timestamp,
    /// Accepted before.
    pub until: Timestamp,
    /// By the newest version of each template, instead of the one that was used.
    pub newest: bool,
}

/// One decision of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub request: RequestId,
    pub at: Timestamp,
    /// `name@version`, as it was used.
    pub template: String,
    #[serde(flatten)]
    pub compared: Compared,
}

/// A replay on its way through the history.
pub struct Replay<'a> {
    ledger: &'a Ledger,
    policy: &'a Policy,
    span: Span,
    mark: Mark,
    /// Read, and without their jobs.
    page: VecDeque<Shared>,
    /// With their jobs.
    ready: VecDeque<(Shared, Vec<DecidedJob>)>,
}

impl<'a> Replay<'a> {
    pub fn new(ledger: &'a Ledger, policy: &'a Policy, span: Span) -> Self {
        let mark = Mark { at: span.since, id: String::new() };
        Self { ledger, policy, span, mark, page: VecDeque::new(), ready: VecDeque::new() }
    }

    /// The decisions of the next request; None: that was all of them.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, LedgerError> {
        if self.ready.is_empty() {
            self.read().await?;
        }
        let Some((shared, jobs)) = self.ready.pop_front() else { return Ok(None) };
        let (request, at) = (shared.row.id, shared.row.created_at);
        let template = format!("{}@{}", shared.row.template, shared.row.template_version);
        let recorded = recorded(shared, jobs)?;
        let compared = self.decide(request, &recorded).await?;
        let row = |compared| Row { request, at, template: template.clone(), compared };
        Ok(Some(compared.into_iter().map(row).collect()))
    }

    async fn read(&mut self) -> Result<(), LedgerError> {
        if self.page.is_empty() {
            self.page = self.ledger.requests_after(&self.mark, self.span.until, PAGE).await?.into();
            if let Some(last) = self.page.back() {
                self.mark = Mark { at: last.row.created_at, id: last.row.id.to_string() };
            }
        }
        let (mut sum, mut batch) = (0_i64, Vec::new());
        while let Some(next) = self.page.pop_front() {
            sum = sum.saturating_add(next.row.jobs);
            if sum > JOBS_TOGETHER && !batch.is_empty() {
                self.page.push_front(next);
                break;
            }
            batch.push(next);
        }
        let ids: Vec<RequestId> = batch.iter().map(|shared| shared.row.id).collect();
        let mut jobs: HashMap<RequestId, Vec<DecidedJob>> = HashMap::new();
        for job in self.ledger.decided_jobs(&ids).await? {
            jobs.entry(job.request_id).or_default().push(job);
        }
        self.ready = batch
            .into_iter()
            .map(|shared| {
                let own = jobs.remove(&shared.row.id).unwrap_or_default();
                (shared, own)
            })
            .collect();
        Ok(())
    }

    async fn decide(&self, id: RequestId, recorded: &Recorded) -> Result<Vec<Compared>, LedgerError> {
        let (name, used) = &recorded.template;
        let newest = self.policy.catalog.get(name, None).ok().filter(|_| self.span.newest);
        let request = recorded.request(newest.map_or(*used, |template| template.version));
        let mut notes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let new = match self.facts(id, recorded, &request, &mut notes).await? {
            Err(problems) => Err(problems),
            Ok(facts) => {
                let context = self.policy.plan_context(id, &facts, recorded.at);
                policy::evaluate(&request, &context, recorded.seed())
            }
        };
        Ok(replay::compare(recorded, &new, &notes))
    }

    /// What is kept of what the new policy wants to know. Nobody is asked.
    async fn facts(
        &self,
        id: RequestId,
        recorded: &Recorded,
        request: &Request,
        notes: &mut BTreeMap<String, BTreeSet<String>>,
    ) -> Result<Result<Facts, Vec<Problem>>, LedgerError> {
        let mut facts = Facts::default();
        if !self.policy.surveys() {
            return Ok(Ok(facts));
        }
        let wanted = match policy::wanted(request, &self.policy.plan_context(id, &facts, recorded.at)) {
            Ok(wanted) => wanted,
            Err(problems) => return Ok(Err(problems)),
        };
        let labels = request
            .template_version()
            .and_then(|(name, version)| self.policy.catalog.get(name, version))
            .map(|template| template.labels.clone())
            .unwrap_or_default();
        let mut pulls = recorded.pulls(&labels);
        for (identity, wanted) in self.policy.by_identity(request, wanted) {
            let mut kept =
                self.ledger.facts(identity, wanted.iter().map(|(repository, _)| repository)).await?;
            for (repository, wanted) in wanted {
                let kept = kept.remove(&repository);
                let asked_at = kept.as_ref().map_or(recorded.at, |kept| kept.asked_at);
                let mut known = kept.map(|kept| kept.facts).unwrap_or_default();
                let mut note = |note: &str| {
                    notes.entry(repository.to_string()).or_default().insert(note.to_owned());
                };
                if wanted.pulls {
                    let open = pulls.remove(&repository);
                    if open.is_none() {
                        note(PULLS_ASSUMED);
                    }
                    known.pulls = Some(open.into_iter().collect());
                }
                if !wanted.missing_in(&known).is_nothing() {
                    note(FACTS_MISSING);
                }
                if asked_at > recorded.at {
                    note(FACTS_NEWER);
                }
                facts.learn(repository, known, asked_at);
            }
        }
        Ok(Ok(facts))
    }
}

fn recorded(shared: Shared, jobs: Vec<DecidedJob>) -> Result<Recorded, LedgerError> {
    let Shared { row, spec } = shared;
    let broken =
        |error: serde_json::Error| LedgerError::Corrupt(format!("request {}: {error}", row.id).into());
    let job = |job: DecidedJob| {
        let read = |text: Option<String>| text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        RecordedJob {
            decision: job
                .findings_json
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            adopts: read(job.adopts_json),
            repository: job.repository,
            identity: job.identity,
            model: job.model,
            wave: job.wave,
        }
    };
    Ok(Recorded {
        id: row.id.to_string(),
        at: row.created_at,
        inputs: serde_json::from_str(&row.inputs_json).map_err(broken)?,
        skipped: serde_json::from_str(&row.skipped_json).map_err(broken)?,
        template: (row.template, row.template_version),
        template_digest: row.template_digest,
        requester: row.requester,
        team: row.team,
        reason: row.reason,
        hold: spec.hold,
        pull_request: spec.pull_request,
        waves: spec.waves,
        asked: spec.asked,
        jobs: jobs.into_iter().map(job).collect(),
    })
}
