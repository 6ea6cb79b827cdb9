//! Sluicegate: a durable queue and worker daemon between the systems that want agent work and
//! GitHub's coding agent.
//!
//! # How data flows
//!
//! ```text
//!  cli, http, intake          what people and programs ask for
//!        |
//!  pipeline::submit           policy makes a plan of it, the ledger keeps it: only then is it accepted
//!        |
//!  pipeline::feed             every commit tells the gate what waits and which budgets have room
//!        |
//!  gate                       who is next: classes in fair order, parked under the budget that is full
//!        |
//!  pipeline::admit            the ledger takes every hold of a job or none, and writes the intent
//!        |
//!  pipeline::start            one call through agent; the answer is recorded before anything else
//!        |        \
//!        |         pipeline::recover   an unclear answer: look for the task by its marker, send nothing
//!        |
//!  pipeline::track            one list call follows many tasks
//!        |
//!  pipeline::settle, review   the result is checked, handed to its reviewer, followed to its merge
//!        |
//!  ledger                     every step is an entry of one hash-chained history
//! ```
//!
//! Three rules hold it together:
//!
//! - **The [`ledger`] disposes.** It is the authority for every start and may be read in two years. The [`gate`] only proposes: it
//!   lives in this process or in Redis, and may vanish at any time, since it is built anew from the ledger.
//! - **Decisions are values.** [`job`], [`budget`] and [`policy`] do no I/O and know no clock: the shell around them gathers a snapshot,
//!   calls one function, records what came out, and does it.
//! - **What was sent is recorded before anything else is sent.** Where that failed, nothing is sent until it is known what happened.
//!
//! Many processes may work on one ledger: each life of a worker has a fencing token, and the ledger refuses whatever a life that was
//! ended by another one still tries to write.
//!
//! `docs/architecture.md` has the map, `docs/adr/` the reasons.

pub mod address;
pub mod agent;
pub mod boot;
pub mod budget;
pub mod cli;
pub mod client;
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
