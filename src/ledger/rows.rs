//! The rows as structs. Field names are column names; fields that end in `_json` hold JSON text.

use serde::{Deserialize, Serialize};

pub use crate::ledger::delivery_rows::{DeliveryRow, DeliveryState, PayloadRow};
pub use crate::ledger::mail::{MailingRow, SummaryRow};
pub use crate::ledger::schedule_rows::{Became, ScheduleRow, ScheduleTurn};
pub use crate::ledger::standing_rows::{ApprovalRow, BreakerRow, Turn, WavesRow, WavesState};

use crate::{
    budget::{Amount, ClosedBy, Closure, Key, Release, Subject, demand::UNROUTED},
    job::{
        id::{AttemptId, JobId, NoticeId, RequestId, WorkerId},
        marker::Marker,
        pull::{ChecksSeen, Pull},
        remote::{RemoteState, TaskId},
        repository::Repository,
        retry::RetryRule,
        role::{LeaseName, Roles},
        state::State,
        time::Timestamp,
    },
    policy::{
        Decision,
        breaker::Rule as BreakerRule,
        facts::OpenPull,
        freeze::Exemption,
        replay::Asked,
        template::{Fallback, RequiredChecks},
        waves::Waves,
    },
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadRow {
    pub id: i64,
    pub seq: i64,
    pub hash: String,
    pub at: Timestamp,
    /// Transactions that changed anything, also those without an entry.
    pub writes: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EntryRow {
    pub seq: i64,
    pub at: Timestamp,
    pub kind: String,
    pub request_id: Option<RequestId>,
    pub job_id: Option<JobId>,
    pub attempt_id: Option<AttemptId>,
    pub actor: String,
    pub body_json: String,
    pub prev: String,
    pub hash: String,
    /// With which the hash covers actor and body. None: of the first format, or redacted.
    #[serde(default)]
    pub salt: Option<String>,
    /// Of a redacted entry of the second format: what the hash covers in place of actor and body.
    #[serde(default)]
    pub digest: Option<String>,
    /// Position of the entry that tells of its redaction.
    #[serde(default)]
    pub redacted: Option<i64>,
}

/// What people have said of something that needs one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskRow {
    /// Kind, what it is about, and since when.
    pub id: String,
    pub acknowledged_by: Option<String>,
    pub acknowledged_at: Option<Timestamp>,
    pub snoozed_until: Option<Timestamp>,
    pub assignee: Option<String>,
    pub actor: String,
    pub reason: String,
    pub at: Timestamp,
}

/// A prompt or a piece of evidence that was moved to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArchiveRow {
    /// `prompt/JOB` or `evidence/ID`.
    pub id: String,
    pub job_id: JobId,
    /// SHA-256 of the file's content.
    pub digest: String,
    pub bytes: u64,
    pub place: String,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRow {
    /// `name@version`.
    pub id: String,
    pub digest: String,
    pub first_used_at: Timestamp,
}

/// What every job of a request shares; fixed when the request is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestSpec {
    pub pull_request: bool,
    pub base_ref: Option<String>,
    pub custom_agent: Option<String>,
    pub labels: Vec<String>,
    /// Reviewer pool.
    pub pool: Option<String>,
    pub retry: RetryRule,
    /// Estimated spend of an attempt in nano-credits.
    pub estimate: Amount,
    pub weight: u32,
    /// The template's change scope, as the policy wrote it.
    pub scope: serde_json::Value,
    /// The requester wants an approval before anything is queued.
    #[serde(default)]
    pub hold: bool,
    /// None: every job may start at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waves: Option<Waves>,
    /// None: no failures are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerRule>,
    /// What must be green before anybody is asked to review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_checks: Option<RequiredChecks>,
    /// What a task that ran out of time is tried with instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// None: accepted by a version that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Its pull requests get a title or a description that is kept beside the prompts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub described: bool,
    /// The token that handed it in for the requester; None: the requester did it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestRow {
    pub id: RequestId,
    pub idempotency_key: Option<String>,
    pub body_digest: String,
    pub plan_digest: String,
    pub template: String,
    pub template_version: u32,
    pub template_digest: String,
    pub requester: String,
    pub team: String,
    pub owner: String,
    pub reason: Option<String>,
    pub identity: String,
    pub inputs_json: String,
    pub spec_json: String,
    pub skipped_json: String,
    pub jobs: i64,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRow {
    pub id: JobId,
    pub request_id: RequestId,
    /// Order of acceptance over the whole ledger.
    pub position: i64,
    pub repository: Repository,
    /// The credential that works on it.
    pub identity: String,
    pub model: Option<String>,
    /// The slice of its request that it is in, from 1; 0: the request has no waves.
    pub wave: u32,
    /// What policy found beside a plain "allowed".
    pub findings_json: Option<String>,
    pub prompt_digest: String,
    pub priority: u8,
    pub state: State,
    pub state_since: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub due_at: Option<Timestamp>,
    pub deadline_at: Option<Timestamp>,
    /// Attempts that count against the retry rule.
    pub attempts: u32,
    pub attempt_id: Option<AttemptId>,
    /// How often it has waited for a person; one notice each.
    pub episode: u32,
    pub reviewer: Option<String>,
    pub pull_number: Option<u64>,
    pub pull_json: Option<String>,
    pub outcome_json: Option<String>,
    pub replay_of: Option<JobId>,
    pub discarded_at: Option<Timestamp>,
    /// The open pull request that it goes on with.
    pub adopts_json: Option<String>,
    /// `ChecksSeen`.
    pub checks_json: Option<String>,
    /// 1: a task ran out of time, and from then on the template's smaller scope counts.
    pub fallen_back: u8,
}

impl JobRow {
    /// The pull request as last seen.
    pub fn pull(&self) -> Option<Pull> {
        self.pull_json.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }
    /// The checks of its pull request as last seen.
    pub fn checks(&self) -> Option<ChecksSeen> {
        self.checks_json.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }
    /// What was said when it ended, or of what is suspect about its result.
    pub fn outcome_text(&self) -> Option<String> {
        let outcome: serde_json::Value = serde_json::from_str(self.outcome_json.as_deref()?).ok()?;
        let message = outcome.get("failure").and_then(|failure| failure.get("message"));
        message.or_else(|| outcome.get("advice"))?.as_str().map(ToOwned::to_owned)
    }
    /// What policy said of it when it was planned.
    pub fn decision(&self) -> Decision {
        self.findings_json.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
    /// The open pull request that it goes on with, if it does.
    pub fn adopts(&self) -> Option<OpenPull> {
        self.adopts_json.as_deref().and_then(|text| serde_json::from_str(text).ok())
    }
    /// What budgets care about.
    pub fn subject(&self, request: &RequestRow, spec: &RequestSpec) -> Subject {
        Subject {
            repository: self.repository.clone(),
            template: request.template.clone(),
            team: request.team.clone(),
            identity: self.identity.clone(),
            model: self.model.clone().unwrap_or_else(|| UNROUTED.to_owned()),
            request: request.id.to_string(),
            requester: request.requester.clone(),
            pool: spec.pool.clone(),
            estimate: spec.estimate,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptRow {
    pub job_id: JobId,
    /// As rendered, without the marker.
    pub prompt: String,
    /// Title and description of the pull request; None: the agent's own.
    pub pull_text_json: Option<String>,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AttemptPhase)]
pub enum Phase {
    /// The intent is written; the start is sent after that, if at all.
    Intent,
    /// The start's answer is lost.
    Unknown,
    /// The task is known and not at its end.
    Live,
    /// The task is at its end and may reopen: its job is under verification or review.
    Done,
    /// Nothing more is expected of it.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AttemptRow {
    pub id: AttemptId,
    pub job_id: JobId,
    pub number: u32,
    pub phase: Phase,
    /// 16 hexadecimal digits.
    pub nonce: String,
    pub worker_id: WorkerId,
    /// Fencing token of the worker that drives it.
    pub token: i64,
    pub identity: String,
    pub model: Option<String>,
    pub intent_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub end_reason: Option<String>,
    pub task_id: Option<TaskId>,
    pub task_url: Option<String>,
    pub remote_state: Option<RemoteState>,
    pub remote_since: Option<Timestamp>,
    pub remote_updated_at: Option<Timestamp>,
    pub session_count: Option<u32>,
    pub branch: Option<String>,
    pub pull_database_id: Option<i64>,
    pub model_used: Option<String>,
    pub nano_credits: Option<u64>,
    /// 1: counts against the retry rule.
    pub counted: u8,
}

impl AttemptRow {
    pub fn marker(&self) -> Marker {
        Marker {
            job: self.job_id,
            attempt: self.id,
            nonce: u64::from_str_radix(&self.nonce, 16).unwrap_or_default(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetRow {
    pub id: Key,
    pub used: Amount,
    pub limit_override: Option<Amount>,
    /// What closes it, by source; none: open.
    pub closed_json: Option<String>,
    pub version: i64,
}

impl BudgetRow {
    pub const fn new(key: Key) -> Self {
        Self { id: key, used: Amount::ZERO, limit_override: None, closed_json: None, version: 0 }
    }
    /// Everything that closes it.
    pub fn closed_by(&self) -> ClosedBy {
        self.closed_json.as_deref().map(ClosedBy::read).unwrap_or_default()
    }
    /// What keeps it closed longest: all that whoever only asks whether it is open needs.
    pub fn closure(&self) -> Option<Closure> {
        self.closed_by().last().cloned()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HoldRow {
    /// `entry:n`: the entry that tells of the taking, and the number in it.
    pub id: String,
    pub attempt_id: AttemptId,
    pub job_id: JobId,
    pub budget_id: Key,
    pub amount: Amount,
    pub release: Release,
    pub taken_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub released_at: Option<Timestamp>,
    pub released_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EvidenceRow {
    pub id: String,
    pub attempt_id: AttemptId,
    pub job_id: JobId,
    pub kind: String,
    pub at: Timestamp,
    pub body_json: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NoticeRow {
    pub id: NoticeId,
    /// One notice per value: `job/kind/episode`.
    pub dedup: String,
    pub kind: String,
    pub job_id: Option<JobId>,
    pub request_id: Option<RequestId>,
    pub body_json: String,
    pub created_at: Timestamp,
    /// At every receiver together.
    pub tries: u32,
    /// When to look at it next; None: delivered, given up, or nobody's.
    pub next_at: Option<Timestamp>,
    /// Every receiver has it.
    pub delivered_at: Option<Timestamp>,
    /// It is done with, and a receiver does not have it.
    pub dead_at: Option<Timestamp>,
    /// Of whichever receiver failed last.
    pub last_error: Option<String>,
    /// The routes that fitted, by name; none: it was not looked at yet, or was done with before there were routes.
    pub route: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerRow {
    pub id: WorkerId,
    pub token: i64,
    pub name: String,
    pub roles: Roles,
    pub started_at: Timestamp,
    pub lease_until: Timestamp,
    /// Position of the history up to which it knows every closed gate and withdrawn job.
    pub seen: i64,
    pub stopped_at: Option<Timestamp>,
}

impl WorkerRow {
    /// Neither ended nor silent for longer than its lease.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.stopped_at.is_none() && self.lease_until > now
    }
}

/// Something that one worker does alone. Free once that worker is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    pub name: LeaseName,
    pub worker_id: WorkerId,
    pub since: Timestamp,
}

/// A token of the HTTP interface. Of the token itself only a digest is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// The part of the token that names it.
    pub id: String,
    /// Who acts by it.
    pub name: String,
    pub digest: String,
    pub grant_json: String,
    pub created_at: Timestamp,
    pub created_by: String,
    /// None: it does not end by itself.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// About: not written at every use.
    pub used_at: Option<Timestamp>,
}

impl TokenRow {
    /// Neither revoked nor expired.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// A freeze that people made while the daemon runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreezeRow {
    pub name: String,
    /// As it was written.
    pub body_json: String,
    pub actor: String,
    pub created_at: Timestamp,
    pub lifted_at: Option<Timestamp>,
}

/// An exception from a freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExemptionRow {
    /// The position of the entry that tells of it.
    pub id: String,
    /// None: from every freeze.
    pub of_freeze: Option<String>,
    pub exempt_json: String,
    pub until: Timestamp,
    pub reason: String,
    pub actor: String,
    pub created_at: Timestamp,
}

impl ExemptionRow {
    /// None: it cannot be read, so that nobody is exempt by it.
    pub fn exemption(&self) -> Option<Exemption> {
        Some(Exemption {
            freeze: self.of_freeze.clone(),
            exempt: serde_json::from_str(&self.exempt_json).ok()?,
            until: self.until,
            reason: self.reason.clone(),
            actor: self.actor.clone(),
        })
    }
}
