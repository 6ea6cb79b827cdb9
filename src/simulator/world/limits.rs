//! The two kinds of rate limit: requests per hour of one user, and creates per minute.

use std::collections::{HashMap, VecDeque};

use crate::simulator::scenario::{Limits, SecondaryStatus};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
/// What the headers say when the scenario sets no limit.
const UNLIMITED: u64 = 100_000_000;

/// What the `x-ratelimit-*` headers say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quota {
    pub limit: u64,
    pub used: u64,
    pub reset_s: i64,
}

impl Quota {
    /// Requests that are left.
    pub(crate) fn remaining(self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

#[derive(Debug, Default)]
struct Account {
    window_from_ms: Option<i64>,
    used: u64,
    creates: VecDeque<i64>,
}

/// Counters of every user.
#[derive(Debug)]
pub(crate) struct RateLimits {
    requests_per_hour: Option<u64>,
    creates_per_minute: Option<u64>,
    status: SecondaryStatus,
    retry_after_s: Option<u64>,
    accounts: HashMap<i64, Account>,
}

impl RateLimits {
    /// Nothing used yet.
    pub(crate) fn new(limits: &Limits) -> RateLimits {
        RateLimits {
            requests_per_hour: limits.requests_per_hour,
            creates_per_minute: limits.creates_per_minute,
            status: limits.secondary_status,
            retry_after_s: limits.retry_after_s,
            accounts: HashMap::new(),
        }
    }

    /// How a user stands, without using anything.
    pub(crate) fn look(&mut self, user: i64, now_ms: i64) -> Quota {
        let limit = self.requests_per_hour.unwrap_or(UNLIMITED);
        let account = self.accounts.entry(user).or_default();
        let from = account.window_from_ms.filter(|from| now_ms < from.saturating_add(HOUR_MS));
        if from.is_none() {
            account.used = 0;
            account.window_from_ms = None;
        }
        let reset_ms = from.unwrap_or(now_ms).saturating_add(HOUR_MS);
        Quota { limit, used: account.used, reset_s: reset_ms.div_euclid(1000) }
    }

    /// Uses one request; false if none is left.
    pub(crate) fn take(&mut self, user: i64, now_ms: i64) -> bool {
        let quota = self.look(user, now_ms);
        if quota.remaining() == 0 {
            return false;
        }
        let account = self.accounts.entry(user).or_default();
        account.window_from_ms.get_or_insert(now_ms);
        account.used += 1;
        true
    }

    /// Gives a request back: a 304 costs nothing.
    pub(crate) fn give_back(&mut self, user: i64) {
        if let Some(account) = self.accounts.get_mut(&user) {
            account.used = account.used.saturating_sub(1);
        }
    }

    /// May the user create now? If not: the status and the seconds to wait.
    pub(crate) fn take_create(&mut self, user: i64, now_ms: i64) -> Result<(), (u16, u64)> {
        let Some(limit) = self.creates_per_minute else { return Ok(()) };
        let account = self.accounts.entry(user).or_default();
        while account.creates.front().is_some_and(|at| at.saturating_add(MINUTE_MS) <= now_ms) {
            account.creates.pop_front();
        }
        let used = u64::try_from(account.creates.len()).unwrap_or(u64::MAX);
        if used < limit {
            account.creates.push_back(now_ms);
            return Ok(());
        }
        let free_ms = account.creates.front().map_or(MINUTE_MS, |at| at.saturating_add(MINUTE_MS) - now_ms);
        let wait_s = u64::try_from(free_ms.saturating_add(999).div_euclid(1000)).unwrap_or(60);
        let status = match self.status {
            SecondaryStatus::Forbidden => 403,
            SecondaryStatus::TooManyRequests => 429,
        };
        Err((status, self.retry_after_s.unwrap_or(wait_s)))
    }
}
