//! The way of a job, one file per step, over the ports of ledger, gate, agent and notify.

pub mod admit;
pub mod context;
pub mod deliver;
pub mod feed;
pub mod inspect;
pub mod operate;
pub mod recover;
pub mod resume;
pub mod review;
pub mod run;
pub mod settle;
pub mod start;
pub mod submit;
pub mod track;
pub mod tracker;
pub mod upkeep;
pub mod view;

pub use context::{Context, Policy, Queues, Tuning};
pub use operate::OperateError;
pub use submit::SubmitError;
