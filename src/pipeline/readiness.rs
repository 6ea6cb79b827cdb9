//! Whether this process is of use right now, and what is wrong if not. Answered from what it knows already: it asks nobody, so
//! that a slow store is not mistaken for a dead process.

use serde::Serialize;

use crate::{
    job::time::{Millis, Timestamp},
    pipeline::context::Context,
};

/// After so long without any answer the provider counts as out of reach.
const SILENCE: Millis = Millis::minutes(2);

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Check {
    /// `ledger`, `gate`, `line`, `provider`.
    pub name: &'static str,
    pub ok: bool,
    /// Without it the process is not ready. Without another one it still takes requests, and keeps them.
    pub required: bool,
    /// In words for people.
    pub text: String,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    /// `ready`, `degraded` (requests are taken, and something keeps jobs from going on), or `not-ready`.
    pub status: &'static str,
    pub checks: Vec<Check>,
}

impl Readiness {
    fn of(checks: Vec<Check>) -> Self {
        let failed = |required: bool| checks.iter().any(|check| !check.ok && check.required == required);
        let status = match (failed(true), failed(false)) {
            (true, _) => "not-ready",
            (false, true) => "degraded",
            (false, false) => "ready",
        };
        Self { status, checks }
    }

    /// True if requests may be sent here.
    pub fn is_ready(&self) -> bool {
        self.checks.iter().all(|check| check.ok || !check.required)
    }
}

impl Context {
    pub fn readiness(&self) -> Readiness {
        let now = self.now();
        Readiness::of(vec![
            self.ledger_check(now),
            self.gate_check(),
            self.line_check(),
            self.provider_check(now),
        ])
    }

    /// The heartbeat writes to the ledger three times in each lease: a lease that lasts proves that it can be written.
    fn ledger_check(&self, now: Timestamp) -> Check {
        let left = self.life.lease_left(now);
        let text = if self.life.is_over() {
            "this worker's life was ended by others; a new one begins".to_owned()
        } else if self.shutdown.is_cancelled() {
            "it was told to stop".to_owned()
        } else if left == Millis(0) {
            format!("nothing could be written for longer than the lease of {}", self.life.lease)
        } else {
            format!("written {} ago", Millis(self.life.lease.0.saturating_sub(left.0)))
        };
        let ok = left > Millis(0) && !self.life.is_over() && !self.shutdown.is_cancelled();
        Check { name: "ledger", ok, required: true, text }
    }

    fn gate_check(&self) -> Check {
        let closed = self.barrier.reason();
        let text = match &closed {
            Some((why, since)) => format!("closed since {since}: {why}; nothing starts, requests are taken"),
            None => "open".to_owned(),
        };
        Check { name: "gate", ok: closed.is_none(), required: false, text }
    }

    fn line_check(&self) -> Check {
        let unserved = self.life.unserved();
        let ok = unserved.is_none();
        let text = unserved.unwrap_or_else(|| "there are workers that admit and start".to_owned());
        Check { name: "line", ok, required: false, text }
    }

    fn provider_check(&self, now: Timestamp) -> Check {
        let contact = self.agent.contact();
        let silent = contact.silent_since.map(|since| now.since(since));
        let text = match (silent, contact.answered_at) {
            (Some(silent), Some(last)) => format!("no answer for {silent}; the last one came at {last}"),
            (Some(silent), None) => format!("no answer for {silent}, and none before"),
            (None, Some(last)) => format!("answered at {last}"),
            (None, None) => "nothing was asked of it yet".to_owned(),
        };
        Check { name: "provider", ok: silent.is_none_or(|silent| silent < SILENCE), required: false, text }
    }
}
