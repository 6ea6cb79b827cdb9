//! Builds, wires, supervises, shuts down: the only place that knows every part.

pub mod audit;
pub mod bench;
mod commands;
pub mod daemon;
pub mod doctor;
mod doors;
pub mod endpoint;
pub mod health;
pub mod policy;
mod redis_check;
mod service;
mod sinks;
pub mod streams;
pub mod template_check;
pub mod token;
pub mod wire;

pub use commands::{bench, config_check, doctor, migrate, simulate};
pub use daemon::{Daemon, Parts};
pub use service::{serve, work};
