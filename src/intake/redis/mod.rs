//! Requests from a Redis stream. An entry is acknowledged only after the ledger has its request, or after it stands among the
//! rejected with its reason. A request may be read several times and is accepted once: by its idempotency key.

mod accept;
mod entry;
mod group;
mod refusal;
mod run;

use std::{sync::Arc, time::Duration};

use crate::{pipeline::Context, redis_link::RedisLink, streams::Names};

pub use refusal::{Code, Refusal};
pub use run::run;

/// Bounds of the intake.
#[derive(Clone, Debug)]
pub struct IntakeOptions {
    pub names: Names,
    /// This worker among the readers; two that run at once must differ.
    pub consumer: String,
    /// Entries read and written together, at least 1.
    pub batch_max: usize,
    /// Of one request.
    pub request_bytes_max: usize,
    /// What a silent worker has read is taken over after this time.
    pub claim_after: Duration,
    /// Deliveries of an entry before it is given up.
    pub deliveries_max: u64,
    /// Rejected entries kept, about.
    pub rejected_max: usize,
}

/// Everything that the intake works with.
#[derive(Clone)]
pub struct Intake {
    pub context: Arc<Context>,
    pub link: RedisLink,
    pub options: IntakeOptions,
}
