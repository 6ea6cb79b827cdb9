//! A fault: which requests it hits, how often, and what it does to them. The same table is read
//! from a scenario and from `POST /_control/faults`.

use serde::Deserialize;

use super::pattern::Pattern;

/// Which requests a fault looks at, and which of those it hits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultMatch {
    /// HTTP method in capitals; any when absent.
    pub method: Option<String>,
    /// Glob on the path, or on the route template such as `/agents/tasks/{task_id}`.
    pub route: Option<Pattern>,
    /// Glob on `owner/name`; requests without a repository are then not matched.
    pub repository: Option<Pattern>,
    /// Hits only the n-th matching request, counted from 1.
    pub nth: Option<u64>,
    /// Hits every n-th matching request.
    pub every: Option<u64>,
    /// Hits with this probability, 0 to 1.
    pub probability: Option<f64>,
}

/// On which side of the effect a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    /// The request has no effect.
    #[default]
    Before,
    /// The request had its effect, only the answer is spoiled.
    After,
}

/// What is done to a request that is hit.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// Which requests it hits.
    #[serde(rename = "match", default)]
    pub matches: FaultMatch,
    /// Before or after the effect.
    #[serde(default)]
    pub when: When,
    /// Hits at most so many requests; no bound when absent.
    pub times: Option<u64>,
    /// Waits so long (real time, also under a manual clock).
    pub latency_ms: Option<u64>,
    /// Answers this status instead.
    pub status: Option<u16>,
    /// The 403 or 429 is a secondary rate limit.
    #[serde(default)]
    pub secondary: bool,
    /// Seconds in the `retry-after` header.
    pub retry_after_s: Option<u64>,
    /// Drops the TCP connection without an answer.
    #[serde(default)]
    pub drop: bool,
}

impl Fault {
    /// Why the table makes no sense, if it does not.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        if self.latency_ms.is_none() && self.status.is_none() && !self.drop {
            return Some("it does nothing: set latency_ms, status or drop");
        }
        if self.status.is_some_and(|status| !(300..=599).contains(&status)) {
            return Some("status is not from 300 to 599");
        }
        if self.matches.probability.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Some("probability is not from 0 to 1");
        }
        if self.matches.nth == Some(0) || self.matches.every == Some(0) {
            return Some("nth and every are counted from 1");
        }
        None
    }
}
