//! Sluicegate: a durable queue and worker daemon between the systems that want agent work and
//! GitHub's coding agent.

pub mod agent;
pub mod boot;
pub mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod gate;
pub mod http;
pub mod intake;
pub mod job;
pub mod ledger;
pub mod news;
pub mod notify;
pub mod pipeline;
pub mod policy;
pub mod redis_link;
pub mod simulator;
pub mod streams;
pub mod telemetry;
pub mod worker;
