//! Accepting requests: validated, planned, and in the ledger before the answer is given.

use crate::{
    job::{
        id::{JobId, RequestId},
        state::State,
        time::{Millis, Timestamp},
    },
    ledger::{
        Command, LedgerError, NewJob, Reply,
        rows::{JobRow, RequestRow, RequestSpec},
    },
    pipeline::{context::Context, view::Accepted},
    policy::{self, Facts, Outcome, Plan, PlanContext, Problem, Request, replay::Asked},
    telemetry::failpoint,
};

/// Why a request was not accepted. Nothing of it was kept.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("the request is not acceptable: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    #[error("{0}")]
    Conflict(String),
    /// The provider could not be asked for what the plan must know.
    #[error("what must be known of the repositories could not be asked: {why}; try again after {until}")]
    Later { why: String, until: Timestamp },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A request that was planned and can be written. Nothing of it is kept yet.
#[derive(Clone, Debug)]
pub struct Draft {
    row: RequestRow,
    jobs: Vec<NewJob>,
}

impl Draft {
    pub fn idempotency_key(&self) -> Option<&str> {
        self.row.idempotency_key.as_deref()
    }

    /// Notes the token that hands it in for somebody else.
    pub(super) fn noting(mut self, through: Option<&str>) -> Result<Self, LedgerError> {
        if let Some(token) = through {
            let encoding = |error: serde_json::Error| LedgerError::Corrupt(error.to_string().into());
            let spec: RequestSpec = serde_json::from_str(&self.row.spec_json).map_err(encoding)?;
            let spec = RequestSpec { through: Some(token.to_owned()), ..spec };
            self.row.spec_json = serde_json::to_string(&spec).map_err(encoding)?;
        }
        Ok(self)
    }
    pub(super) fn into_parts(self) -> (RequestRow, Vec<NewJob>) {
        (self.row, self.jobs)
    }
}

impl Context {
    /// What would be done, with nothing kept.
    pub async fn plan(&self, request: &Request) -> Result<Plan, SubmitError> {
        let facts = self.survey(request).await?;
        let id = RequestId::new(self.now(), self.entropy.draw_wide());
        policy::plan(request, &self.plan_context(id, &facts)).map_err(SubmitError::Invalid)
    }

    pub(super) fn plan_context<'a>(&'a self, request_id: RequestId, facts: &'a Facts) -> PlanContext<'a> {
        self.policy.plan_context(request_id, facts, self.now())
    }

    /// Accepts a request once: the same idempotency key with the same body gives the first answer again.
    pub async fn submit(&self, request: Request) -> Result<Accepted, SubmitError> {
        self.submit_through(request, None).await
    }

    /// The same, handed in by a token for somebody else.
    pub async fn submit_through(
        &self,
        request: Request,
        through: Option<&str>,
    ) -> Result<Accepted, SubmitError> {
        failpoint::hit("submit.received");
        if let Some(known) = self.accepted_before(&request).await? {
            return Ok(known);
        }
        let facts = self.survey(&request).await?;
        let draft = self.draft(&request, &facts)?.noting(through)?;
        let answer = self.record_drafts(std::slice::from_ref(&draft)).await.pop();
        failpoint::hit("submit.recorded");
        answer.unwrap_or_else(|| Err(LedgerError::Corrupt("a request was not answered".into()).into()))
    }

    /// The first answer to this idempotency key, if it was given for the same body.
    pub async fn accepted_before(&self, request: &Request) -> Result<Option<Accepted>, LedgerError> {
        let Some(key) = &request.idempotency_key else { return Ok(None) };
        let known = self.ledger.request_by_idempotency_key(key).await?;
        let same = known.filter(|known| known.body_digest == request.body_digest());
        Ok(same.map(|known| Accepted::of(&known, true)))
    }

    /// Plans a request into what can be written. It costs processor time in proportion to the repositories, and waits
    /// for nobody.
    pub fn draft(&self, request: &Request, facts: &Facts) -> Result<Draft, SubmitError> {
        let id = RequestId::new(self.now(), self.entropy.draw_wide());
        let plan = policy::plan(request, &self.plan_context(id, facts)).map_err(SubmitError::Invalid)?;
        self.draft_of(id, &plan, request.body_digest())
    }

    /// What is written of a plan.
    pub(super) fn draft_of(
        &self,
        id: RequestId,
        plan: &Plan,
        body_digest: String,
    ) -> Result<Draft, SubmitError> {
        let row = self.request_row(id, plan, body_digest)?;
        Ok(Draft { jobs: self.job_rows(id, plan), row })
    }

    /// Writes drafts, as a rule all in one transaction; one answer each, in their order. The same draft may be written
    /// again after `Unavailable`: if it was committed, its first answer comes back.
    pub async fn record_drafts(&self, drafts: &[Draft]) -> Vec<Result<Accepted, SubmitError>> {
        let command = |draft: &Draft| Command::Submit {
            request: Box::new(draft.row.clone()),
            jobs: draft.jobs.clone(),
        };
        let replies = self.ledger.write_all(drafts.iter().map(command).collect()).await;
        let answer = |reply: Result<(Reply, _), LedgerError>| match reply?.0 {
            Reply::Submitted { request, replayed } => Ok(Accepted::of(&request, replayed)),
            Reply::Conflict(why) => Err(SubmitError::Conflict(why)),
            reply => {
                Err(LedgerError::Corrupt(format!("a request was answered with {reply:?}").into()).into())
            }
        };
        replies.into_iter().map(answer).collect()
    }

    fn request_row(
        &self,
        id: RequestId,
        plan: &Plan,
        body_digest: String,
    ) -> Result<RequestRow, LedgerError> {
        let encoding = |error: serde_json::Error| LedgerError::Corrupt(error.to_string().into());
        let template = &plan.template;
        let spec = RequestSpec {
            pull_request: template.pull_request,
            base_ref: template.base_ref.clone(),
            custom_agent: template.custom_agent.clone(),
            labels: template.labels.clone(),
            pool: template.reviewers.clone(),
            retry: template.retry.clone(),
            estimate: template.estimate,
            weight: plan.weight,
            scope: serde_json::to_value(&template.scope).map_err(encoding)?,
            hold: plan.request.hold,
            waves: plan.waves.clone(),
            breaker: self.policy.breaker,
            required_checks: template.required_checks.clone(),
            fallback: template.fallback.clone(),
            asked: Some(Asked::of(&plan.request)),
            described: template.pull_request_text.is_given(),
            through: None,
        };
        Ok(RequestRow {
            id,
            idempotency_key: plan.request.idempotency_key.clone(),
            body_digest,
            plan_digest: plan.digest.clone(),
            template: template.name.clone(),
            template_version: template.version,
            template_digest: template.digest.clone(),
            requester: plan.request.requester.clone(),
            team: plan.team.clone(),
            owner: template.owner.clone(),
            reason: plan.request.reason.clone(),
            identity: self.policy.identity.clone(),
            inputs_json: serde_json::to_string(&plan.request.inputs).map_err(encoding)?,
            spec_json: serde_json::to_string(&spec).map_err(encoding)?,
            skipped_json: serde_json::to_string(&plan.skipped).map_err(encoding)?,
            jobs: i64::try_from(plan.jobs.len()).unwrap_or(i64::MAX),
            created_at: self.now(),
        })
    }

    fn job_rows(&self, request_id: RequestId, plan: &Plan) -> Vec<NewJob> {
        let now = self.now();
        let deadline_at = plan.deadline.map(|deadline: Millis| now.plus(deadline));
        let state = |planned: &policy::PlannedJob| {
            if plan.request.hold || planned.wave > 1 || planned.decision.outcome() > Outcome::Allow {
                State::Held
            } else {
                State::Queued
            }
        };
        let job = |planned: &policy::PlannedJob| NewJob {
            row: JobRow {
                id: JobId::new(now, self.entropy.draw_wide()),
                request_id,
                position: 0,
                repository: planned.repository.clone(),
                identity: planned.subject.identity.clone(),
                model: planned.model.clone(),
                wave: planned.wave,
                findings_json: planned.decision.to_json(),
                prompt_digest: planned.prompt_digest.clone(),
                priority: plan.priority,
                state: state(planned),
                state_since: now,
                created_at: now,
                updated_at: now,
                due_at: None,
                deadline_at,
                attempts: 0,
                attempt_id: None,
                episode: 0,
                reviewer: None,
                pull_number: None,
                pull_json: None,
                outcome_json: None,
                replay_of: None,
                adopts_json: planned.adopts.as_ref().and_then(|pull| serde_json::to_string(pull).ok()),
                discarded_at: None,
                checks_json: None,
                fallen_back: 0,
            },
            prompt: planned.prompt.clone(),
            pull_text: planned.pull_text.clone(),
        };
        plan.jobs.iter().map(job).collect()
    }
}
