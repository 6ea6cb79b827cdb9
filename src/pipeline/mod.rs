//! The way of a job, one file per step, over the ports of ledger, gate, agent and notify.

pub mod access;
pub mod admit;
pub mod audit;
pub mod breakers;
pub mod browse;
pub mod catch_up;
pub mod certificate;
pub mod comments;
pub mod context;
pub mod deliver;
pub mod deliveries;
pub mod delivery_acts;
pub mod desk;
pub mod duties;
pub mod estate;
pub mod events;
pub mod feed;
pub mod find;
pub mod fleet;
pub mod freeze_acts;
pub mod freezes;
pub mod gates;
pub mod heartbeat;
pub mod held;
pub mod hooks;
pub mod identities;
pub mod inspect;
pub mod life;
pub mod logged;
pub mod meters;
pub mod notices;
pub mod nudge;
pub mod operate;
pub mod outbox;
pub mod pick_up;
pub mod plan_view;
pub mod preview;
pub mod readiness;
pub mod rebuild;
pub mod recover;
pub mod replay;
pub mod resume;
pub mod review;
pub mod run;
pub mod schedule_acts;
pub mod schedules;
pub mod settle;
pub mod start;
pub mod submit;
mod summaries;
pub mod survey;
pub mod templates;
mod time_left;
pub mod tokens;
mod traces;
pub mod track;
pub mod tracker;
pub mod upkeep;
pub mod view;
pub mod widen;

pub use context::{Context, Policy, Queues, Tuning};
pub use find::FindError;
pub use freeze_acts::{FreezeError, Whom};
pub use operate::OperateError;
pub use preview::ApplyError;
pub use submit::{Draft, SubmitError};

/// Who does something and why, as the callers of the pipeline say it.
pub type By = crate::ledger::By;
/// A job, as the callers of the pipeline find it.
pub type Job = crate::ledger::rows::JobRow;
/// Which jobs, as the callers of the pipeline ask for them.
pub type JobFilter = crate::ledger::pages::JobFilter;
/// The ledger could not do it, as the callers of the pipeline hear it.
pub type LedgerError = crate::ledger::LedgerError;
