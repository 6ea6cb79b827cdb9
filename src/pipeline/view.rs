//! What is shown of requests, jobs and budgets: the words of the local HTTP interface and of `--json`. Additions are harmless,
//! changes are not.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    budget::{Amount, ClosedBy, Closure, Key, Refusal, Source},
    job::{
        id::{AttemptId, JobId, RequestId},
        repository::Repository,
        role::LeaseName,
        state::State,
        time::Timestamp,
    },
    ledger::{
        query::{StateCount, Used},
        rows::{
            AttemptRow, EntryRow, EvidenceRow, HoldRow, NoticeRow, RequestRow, Turn, WavesState, WorkerRow,
        },
    },
    policy::{Finding, IdentityRule, breaker::State as BreakerState, freeze::Frozen, waves::Rule},
};

/// The answer to a submitted request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Accepted {
    pub request: RequestId,
    pub template: String,
    pub jobs: i64,
    pub plan_digest: String,
    /// True: this idempotency key was used before, and this is the first answer.
    pub replayed: bool,
}

impl Accepted {
    pub fn of(row: &RequestRow, replayed: bool) -> Self {
        Self {
            request: row.id,
            template: format!("{}@{}", row.template, row.template_version),
            jobs: row.jobs,
            plan_digest: row.plan_digest.clone(),
            replayed,
        }
    }
}

/// Why a job does not move right now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Wait {
    /// A stable word: `kill_switch`, `budget`, `closed`, `gate`, `turn`, `worker`, `time`, `ledger`, `approval`, `wave`, `start`,
    /// `lost_start`, `agent`, `person`, `verification`, `review`, `quarantine`.
    pub reason: String,
    /// The reason as a sentence.
    pub text: String,
    pub since: Timestamp,
    /// When time alone will change it, if it will.
    pub clears_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Refusal>,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobView {
    pub id: JobId,
    pub request: RequestId,
    pub template: String,
    pub repository: Repository,
    pub state: State,
    pub state_since: Timestamp,
    pub created_at: Timestamp,
    pub position: i64,
    pub attempts: u32,
    pub reviewer: Option<String>,
    pub pull_number: Option<u64>,
    pub pull_url: Option<String>,
    pub task_url: Option<String>,
    pub model: Option<String>,
    /// What policy found when it was planned.
    #[serde(default)]
    pub findings: Vec<Finding>,
    pub replay_of: Option<JobId>,
    pub discarded: bool,
    /// From 1; 0: its request has no waves.
    #[serde(default)]
    pub wave: u32,
    /// None once it has ended.
    pub wait: Option<Wait>,
    /// How it ended, once it has.
    pub outcome: Option<Value>,
}

/// The whole trail of one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobDetail {
    pub job: JobView,
    pub request: RequestRow,
    pub prompt_digest: String,
    pub prompt: Option<String>,
    pub attempts: Vec<AttemptRow>,
    pub holds: Vec<HoldRow>,
    pub notices: Vec<NoticeRow>,
    pub evidence: Vec<EvidenceRow>,
    pub history: Vec<EntryRow>,
    /// Of all attempts, in nano-credits.
    pub nano_credits: u64,
}

/// Who has what a job waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Holder {
    pub budget: Key,
    pub job: JobId,
    pub attempt: AttemptId,
    pub repository: Repository,
    pub state: State,
    pub amount: Amount,
    pub since: Timestamp,
}

/// The full answer to "why does this job not move".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Why {
    pub id: JobId,
    pub repository: Repository,
    pub state: State,
    pub wait: Option<Wait>,
    /// Jobs of its class that go first, while it queues.
    pub ahead: Option<u64>,
    pub holders: Vec<Holder>,
    /// Every gate that is closed before it, and for whom.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateView>,
}

/// One budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BudgetView {
    pub key: Key,
    pub used: Amount,
    pub limit: Option<Amount>,
    pub limit_set_by_operator: bool,
    /// What keeps it closed longest.
    pub closed: Option<Closure>,
    /// Everything that closes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_by: Vec<ClosedFor>,
    /// The amounts are nano-credits.
    #[serde(default)]
    pub nano_credits: bool,
}

impl BudgetView {
    /// One that nobody has used yet.
    pub const fn untouched(key: Key, limit: Option<Amount>, nano_credits: bool) -> Self {
        Self {
            key,
            used: Amount::ZERO,
            limit,
            limit_set_by_operator: false,
            closed: None,
            closed_by: Vec::new(),
            nano_credits,
        }
    }
}

/// A request as the ledger keeps it, as the callers of the pipeline see it.
pub type RequestRecord = RequestRow;

/// An entry of the history as the ledger keeps it, as the callers of the pipeline see it.
pub type EntryRecord = EntryRow;

/// One request with its jobs counted by state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RequestView {
    pub request: RequestRow,
    pub states: Vec<StateCount>,
    pub ended: bool,
}

/// What is closed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GateView {
    pub key: Key,
    /// What keeps it closed longest; None: it is open.
    pub closure: Option<Closure>,
    /// Everything that closes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed_by: Vec<ClosedFor>,
    /// What whoever has just closed or opened it may not have meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl GateView {
    /// Nothing closes it.
    pub const fn open(key: Key) -> Self {
        Self { key, closure: None, closed_by: Vec::new(), remarks: Vec::new() }
    }
}

/// One of the closures of a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ClosedFor {
    /// `operator`, `cool-down`, `freeze/NAME`, `breaker/NAME`.
    pub source: Source,
    #[serde(flatten)]
    pub closure: Closure,
}

impl ClosedFor {
    /// What closes a budget at a time.
    pub fn at(closed: &ClosedBy, now: Timestamp) -> Vec<Self> {
        let holding = closed.iter().filter(|(_, closure)| closure.holds_at(now));
        holding.map(|(source, closure)| Self { source: source.clone(), closure: closure.clone() }).collect()
    }
}

/// What is still worked on behind a gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Behind {
    pub key: Key,
    /// None: the gate is open, so more may come.
    pub closure: Option<Closure>,
    /// Jobs whose start is on its way or being looked for, whose task the agent works on (also one that was cancelled), or
    /// whose result is being checked; in order of acceptance.
    pub working: Vec<JobView>,
    /// Jobs whose task waits for a person. It works again when somebody answers it.
    pub waiting_for_people: u64,
}

/// The daemon in one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Overview {
    pub version: String,
    pub now: Timestamp,
    pub states: Vec<StateCount>,
    pub live_tasks: u64,
    pub waiting_at_gate: u64,
    pub workers: Vec<WorkerRow>,
    pub closed: Vec<GateView>,
    pub gate: GateStanding,
}

/// Whether jobs can be proposed at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GateStanding {
    pub open: bool,
    /// Why it is closed, and since when.
    pub reason: Option<String>,
    pub since: Option<Timestamp>,
}

/// What a worker drives for an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DrivenView {
    pub identity: String,
    /// Starts that are being sent, or whose answer was lost.
    pub starts: u64,
    /// Tasks that are not at their end.
    pub tasks: u64,
    /// Results that are verified or under review; their tasks may wake up again.
    pub results: u64,
}

/// One worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WorkerView {
    #[serde(flatten)]
    pub worker: WorkerRow,
    /// False: it has ended, or was silent for longer than its lease.
    pub lives: bool,
    /// It is the one that answers.
    pub this: bool,
    pub leases: Vec<LeaseName>,
    pub drives: Vec<DrivenView>,
}

/// All workers of a ledger, and the gate as the answering one knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FleetView {
    pub workers: Vec<WorkerView>,
    pub gate: GateStanding,
    /// Left out unless it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill_switch: Option<Closure>,
}

/// What was done with a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Replayed {
    pub dead: JobId,
    pub job: JobId,
    /// True: it had been retried before, and this is that job.
    pub already: bool,
}

/// The waves of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WavesView {
    pub request: RequestId,
    pub plan_digest: String,
    pub rule: Rule,
    /// Of the draw that chose who goes first.
    pub seed: u32,
    pub state: WavesState,
    /// Of the state.
    pub since: Timestamp,
    /// The newest wave that is open.
    pub opened: u32,
    /// As a sentence.
    pub waits_for: String,
    pub waves: Vec<WaveView>,
    pub approvals: Vec<ApprovalView>,
}

/// One wave, its jobs counted by what they say of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct WaveView {
    /// From 1.
    pub number: u32,
    pub jobs: usize,
    pub open: bool,
    pub good: usize,
    pub pending: usize,
    /// For cause.
    pub failed: usize,
    pub unjudged: usize,
    pub withdrawn: usize,
    /// Five at most.
    pub repositories: Vec<Repository>,
}

/// One person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalView {
    /// `request`, `job/ID` or `wave/N`.
    pub about: String,
    pub actor: String,
    pub roles: Vec<String>,
    pub digest: String,
    pub at: Timestamp,
    pub expires_at: Timestamp,
    pub reason: String,
    /// False: it has expired.
    pub counts: bool,
}

/// What counts the failures of one template, version and model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BreakerView {
    pub id: String,
    /// What it stops.
    pub gate: Key,
    /// `name@version`.
    pub template: String,
    pub model: String,
    pub state: BreakerState,
    /// Of the state.
    pub since: Timestamp,
    /// How often it has opened without closing in between.
    pub trips: u32,
    /// While it is open: when one job is tried.
    pub tries_at: Option<Timestamp>,
    /// While it is half open: the job that is tried.
    pub canary: Option<JobId>,
    pub reason: Option<String>,
    /// The latest changes of its state, oldest first.
    pub history: Vec<Turn>,
}

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FreezeView {
    pub name: String,
    pub reason: String,
    pub scope: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    pub zone: String,
    /// None: it is of the file.
    pub made_by: Option<String>,
    pub in_force: bool,
    /// The end of its present time; none while it is in force: until it is lifted.
    pub until: Option<Timestamp>,
    /// Who lifted it for its present time.
    pub lifted_by: Option<String>,
    /// When it begins next, if that is soon.
    pub begins: Option<Timestamp>,
}

/// Whether a repository is frozen at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FreezeCheck {
    pub repository: Repository,
    pub at: Timestamp,
    pub frozen: Option<Frozen>,
    /// The freeze that begins next for it, if that is soon.
    pub next: Option<String>,
    pub next_begins: Option<Timestamp>,
}

/// An identity and what it may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IdentityView {
    #[serde(flatten)]
    pub identity: IdentityRule,
    /// It works where several fit equally.
    pub default: bool,
    /// None: not told yet, or it does not end.
    pub token_expires_at: Option<Timestamp>,
    /// Why it starts nothing, if its token ends too soon.
    pub held_back: Option<String>,
}

/// What the provider says of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IdentityCheck {
    pub name: String,
    pub login: Option<String>,
    pub token_expires_at: Option<Timestamp>,
    pub requests_left: Option<u64>,
    /// What needs attention.
    pub problem: Option<String>,
}

/// What an identity did in a span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IdentityReview {
    #[serde(flatten)]
    pub identity: IdentityRule,
    pub configured: bool,
    pub used: Vec<Used>,
    /// Globs of its reach in which nothing was started.
    pub never_used_repositories: Vec<String>,
    pub never_used_templates: Vec<String>,
}
