//! What tests ask afterwards: every create that took effect, how often each route was called, and
//! the notices that the webhook sink received.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;

/// A create that took effect, whether or not its caller heard of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CreateRecord {
    /// Counted from 1.
    pub seq: usize,
    pub at: String,
    pub at_ms: i64,
    pub task_id: Arc<str>,
    pub repository: Arc<str>,
    /// Name of the token, not its secret.
    pub token: String,
    pub marker: Option<Arc<str>>,
    pub model: Option<Arc<str>>,
    pub create_pull_request: Option<bool>,
    /// False if the caller got no answer, or an error after the effect.
    pub answered: bool,
}

/// One line of the request counts.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RequestCount {
    pub method: String,
    pub route: &'static str,
    /// 0 is a dropped connection.
    pub status: u16,
    pub count: u64,
}

/// Requests by method, route and status.
#[derive(Debug, Default)]
pub(crate) struct RequestLog {
    counts: BTreeMap<(&'static str, u16, String), u64>,
    total: u64,
    /// Seconds since the epoch with their number of requests, oldest first.
    recent: VecDeque<(i64, u64)>,
}

impl RequestLog {
    /// Counts an answered (or dropped) request.
    pub(crate) fn add(&mut self, method: &str, route: &'static str, status: u16, now_ms: i64) {
        *self.counts.entry((route, status, method.to_owned())).or_default() += 1;
        self.total += 1;
        let second = now_ms.div_euclid(1000);
        match self.recent.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.recent.push_back((second, 1)),
        }
        self.forget(second);
    }

    /// Requests so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// All counts, the total, and the requests of the last 60 seconds.
    pub(crate) fn read(&mut self, now_ms: i64) -> (Vec<RequestCount>, u64, u64) {
        self.forget(now_ms.div_euclid(1000));
        let counts = self.counts.iter().map(|((route, status, method), count)| RequestCount {
            method: method.clone(),
            route,
            status: *status,
            count: *count,
        });
        (counts.collect(), self.total, self.recent.iter().map(|(_, count)| count).sum())
    }

    fn forget(&mut self, second: i64) {
        while self.recent.front().is_some_and(|(at, _)| *at <= second.saturating_sub(60)) {
            self.recent.pop_front();
        }
    }
}

/// A notice that was delivered to the sink.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Delivery {
    /// Counted from 1.
    pub seq: usize,
    pub at: String,
    pub at_ms: i64,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    /// What the sink answered.
    pub status: u16,
}

/// Accepts notices, or refuses them as often as a test wants.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    pub deliveries: Vec<Delivery>,
    failures: u64,
    failure_status: u16,
}

impl Sink {
    /// Refuses the next `times` notices with this status.
    pub(crate) fn fail(&mut self, times: u64, status: u16) {
        self.failures = times;
        self.failure_status = status;
    }

    /// The status of the next answer.
    pub(crate) fn next_status(&mut self) -> u16 {
        if self.failures == 0 {
            return 204;
        }
        self.failures -= 1;
        self.failure_status
    }
}
