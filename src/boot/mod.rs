//! Builds, wires, supervises, shuts down: the only place that knows every part.

pub mod bench;
pub mod daemon;

pub use daemon::{Daemon, Parts};
