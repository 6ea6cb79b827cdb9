//! What the process says about itself: log set-up, metrics, traces, and the named crash points of the fault suite. Must not be
//! What the process says about itself: log set-up, counts of denied requests, and the named crash points of the fault suite. Must not be
//! imported by the pure folders.

pub mod denials;
pub mod failpoint;
mod json;
pub mod log;
pub mod metrics;
pub mod traces;

pub use log::{LogFormat, TelemetryError, init};
