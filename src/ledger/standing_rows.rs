//! The rows of waves, approvals and breakers. Field names are column names, as in `rows`.

use serde::{Deserialize, Serialize};

use crate::{
    budget::Key,
    job::{
        id::{AttemptId, JobId, RequestId},
        time::Timestamp,
    },
    policy::{
        approval::Approval,
        breaker::{State as BreakerState, Window},
    },
};

/// How far waves are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WavesState {
    /// The next one opens when the one before it is proven.
    Open,
    /// It cannot be told whether the newest is good: a person must look.
    Doubtful,
    /// A person has stopped it.
    Paused,
    /// Every wave was opened and every job has ended.
    Over,
    /// A person has ended it; what was not open was cancelled.
    Aborted,
}

/// The waves of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WavesRow {
    pub request_id: RequestId,
    pub total: u32,
    /// The newest wave that is open.
    pub opened: u32,
    pub opened_at: Timestamp,
    pub state: WavesState,
    /// Of the state.
    pub since: Timestamp,
    pub actor: String,
    /// Why it is in this state.
    pub note: Option<String>,
}

/// One person's word about a request, a job, or a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// Request, what it is about, and the login in lower case.
    pub id: String,
    pub request_id: RequestId,
    /// `request`, `job/ID` or `wave/N`.
    pub about: String,
    pub digest: String,
    pub actor: String,
    pub roles_json: String,
    pub reason: String,
    pub given_at: Timestamp,
    pub expires_at: Timestamp,
}

impl ApprovalRow {
    pub fn approval(&self) -> Approval {
        Approval {
            actor: self.actor.clone(),
            roles: serde_json::from_str(&self.roles_json).unwrap_or_default(),
            digest: self.digest.clone(),
            at: self.given_at,
            expires_at: self.expires_at,
        }
    }
}

/// How attempts of one template, version and model end, and whether that keeps a gate closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerRow {
    pub id: String,
    pub gate: Key,
    /// `name@version`.
    pub template: String,
    pub model: String,
    pub state: BreakerState,
    /// Of the state.
    pub since: Timestamp,
    /// How often it has opened without closing in between.
    pub trips: u32,
    pub canary_job: Option<JobId>,
    pub canary_attempt: Option<AttemptId>,
    /// Of the state.
    pub reason: Option<String>,
    pub window_json: String,
    pub history_json: String,
}

/// One change of a breaker's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = BreakerTurn)]
pub struct Turn {
    pub at: Timestamp,
    pub to: BreakerState,
    pub actor: String,
    pub reason: String,
}

impl BreakerRow {
    pub fn new(id: String, gate: Key, template: String, model: String, now: Timestamp) -> Self {
        Self {
            id,
            gate,
            template,
            model,
            state: BreakerState::Closed,
            since: now,
            trips: 0,
            canary_job: None,
            canary_attempt: None,
            reason: None,
            window_json: "[]".to_owned(),
            history_json: "[]".to_owned(),
        }
    }
    pub fn window(&self) -> Window {
        serde_json::from_str(&self.window_json).unwrap_or_default()
    }
    /// The latest changes of its state, oldest first.
    pub fn history(&self) -> Vec<Turn> {
        serde_json::from_str(&self.history_json).unwrap_or_default()
    }
}
