//! What the process says about itself: log set-up, and the named crash points of the fault suite. Must not be
//! imported by the pure folders.

pub mod failpoint;
pub mod log;

pub use log::{LogFormat, TelemetryError, init};
