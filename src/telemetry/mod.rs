//! What the process says about itself: log set-up, counts of denied requests, and the named crash points of the fault suite. Must not be
//! imported by the pure folders.

pub mod denials;
pub mod failpoint;
pub mod log;

pub use log::{LogFormat, TelemetryError, init};
