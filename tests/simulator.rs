//! The simulator over real HTTP: its contract with clients, and its back door for tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

#[path = "simulator/agent_tasks.rs"]
mod agent_tasks;
#[path = "simulator/control.rs"]
mod control;
#[path = "simulator/estate.rs"]
mod estate;
#[path = "simulator/faults.rs"]
mod faults;
#[path = "simulator/harness.rs"]
mod harness;
#[path = "simulator/lists.rs"]
mod lists;
#[path = "simulator/requests.rs"]
mod requests;
#[path = "simulator/review.rs"]
mod review;
#[path = "simulator/scenario.rs"]
mod scenario;
