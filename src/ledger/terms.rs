//! The parts that commands are made of.

use crate::{
    budget::{Amount, Closure, Source},
    job::{
        id::{AttemptId, JobId, RequestId, WorkerId},
        lifecycle::Event,
        remote::Task,
        role::LeaseName,
        routing::Failure,
        time::Timestamp,
    },
    ledger::rows::{Became, DeliveryRow, DeliveryState, JobRow, PayloadRow, RequestRow, TokenRow},
    policy::{freeze::Exemption, template::PullRequestText},
};

/// Who writes, and with which fencing token. About an attempt: the token that the attempt had when the writer came to drive it; once it is
/// driven by another worker it has a higher one, and the write is refused. About the worker itself: the token of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    pub worker: WorkerId,
    pub token: i64,
}

/// One job of a new request.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub row: JobRow,
    pub prompt: String,
    /// As rendered.
    pub pull_text: PullRequestText,
}

/// A person and what they gave as reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    pub actor: String,
    pub reason: String,
    /// The token that named the person; None: they acted themselves.
    pub through: Option<String>,
}

/// Who acts when no person does.
pub const OURSELVES: &str = "sluicegate";

impl By {
    pub fn ourselves(reason: impl Into<String>) -> Self {
        Self::new(OURSELVES, reason)
    }
    pub fn new(actor: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { actor: actor.into(), reason: reason.into(), through: None }
    }
}

/// How a task was seen and what that means for the job.
#[derive(Clone, Debug)]
pub struct Seen {
    pub task: Task,
    /// None: nothing but the remote state changed.
    pub event: Option<Event>,
    /// Of a failed attempt.
    pub failure: Option<Failure>,
    /// Of a dead letter.
    pub advice: Option<String>,
    /// Of a retry: not before.
    pub due_at: Option<Timestamp>,
}

/// By what right a worker takes a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warrant {
    /// None is needed: time alone has brought it.
    Free,
    /// It drives the attempt that the step is about.
    Driver(AttemptId, Fence),
    /// It holds a lease, and looked at this attempt of the job.
    Holder(AttemptId, WorkerId, LeaseName),
}

/// What a person approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Every held job of the request.
    Request,
    Job(JobId),
    /// That this wave may open.
    Wave(u32),
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Request => f.write_str("request"),
            Self::Job(job) => write!(f, "job/{job}"),
            Self::Wave(number) => write!(f, "wave/{number}"),
        }
    }
}

/// One person's word, as it is given.
#[derive(Clone, Debug)]
pub struct Word {
    pub request: RequestId,
    pub about: About,
    /// Of the plan that the person looked at.
    pub digest: String,
    /// Of the person, at this time.
    pub roles: Vec<String>,
    pub expires_at: Timestamp,
    pub by: By,
}

/// What a person does with the waves of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WavesChange {
    Hold,
    Abort,
}

/// What is done with a budget.
#[derive(Clone, Debug)]
pub enum BudgetChange {
    /// Beside what others close it for.
    Close(Source, Closure),
    /// Lifts the closure of this source and no other.
    Open(Source),
    /// None: back to the configured limit.
    Limit(Option<Amount>),
}

/// What is done with freezes.
#[derive(Clone, Debug)]
pub enum FreezeChange {
    Add { name: String, body_json: String },
    Lift { name: String },
    Exempt(Exemption),
}

/// What is done with tokens of the HTTP interface.
#[derive(Clone, Debug)]
pub enum TokenChange {
    /// `beside`: though another one of the same name is valid.
    Create { row: Box<TokenRow>, beside: bool },
    /// By its id, or all of a name.
    Revoke { which: String },
}

/// What becomes of a schedule. The scheduler's changes name the time that they are about: one that was considered before
/// changes nothing.
#[derive(Clone, Debug)]
pub enum ScheduleChange {
    /// It is new, was switched on or off, or comes at other times from now on: what lies before now is not looked at.
    Begin {
        times: String,
    },
    /// Hand in the request of a nominal time. `replaces`: withdraw what of this request has not started.
    Take {
        nominal: Timestamp,
        request: Box<RequestRow>,
        jobs: Vec<NewJob>,
        replaces: Option<RequestId>,
    },
    /// A nominal time, and every one before it, without a request.
    Leave {
        nominal: Timestamp,
        became: Became,
        why: String,
        owner: String,
    },
    /// By a person, whatever the time is.
    Run {
        request: Box<RequestRow>,
        jobs: Vec<NewJob>,
    },
    Pause,
    /// What has passed meanwhile is not made good.
    Resume,
}

/// What becomes of a webhook. What comes to its end changes no more, until a person says so.
#[derive(Clone, Debug)]
pub enum DeliveryChange {
    /// Keep it, unless the same one is there.
    Receive { row: Box<DeliveryRow>, payload: Box<PayloadRow> },
    /// Nobody else goes on with it until then. `again`: it was left lying and is begun anew.
    Postpone { until: Timestamp, why: Option<String>, again: bool },
    /// Hand in its request. `requested_by`: who asked, by the sender's word. `concerns` as at its end.
    Take {
        request: Box<RequestRow>,
        jobs: Vec<NewJob>,
        requested_by: Option<String>,
        concerns: Vec<(JobId, RequestId)>,
    },
    /// Without a new request.
    End {
        state: DeliveryState,
        reason: String,
        /// That was made of it before.
        request: Option<RequestId>,
        /// Jobs that it is about, with their requests: to be looked at now.
        concerns: Vec<(JobId, RequestId)>,
    },
    /// By a person: go through it again.
    Replay,
}

/// What is said of something that needs a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskAct {
    /// Somebody has seen it and sees to it.
    Acknowledge,
    /// It can wait until then.
    Snooze(Timestamp),
    /// It is somebody else's.
    Assign(String),
}

/// A document that was moved to a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MovedDocument)]
pub struct Moved {
    /// `prompt/JOB` or `evidence/ID`.
    pub id: String,
    /// SHA-256 of the file.
    pub digest: String,
}
