//! How GitHub was met, for metrics and for the question whether it can be reached.

use std::sync::{MutexGuard, PoisonError};

use crate::{
    agent::{Contact, github::GitHub},
    job::time::{Millis, Timestamp},
    telemetry::metrics::{Page, catalogue},
};

impl GitHub {
    fn contacted(&self) -> MutexGuard<'_, Contact> {
        self.contact.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_contact(&self) -> Contact {
        *self.contacted()
    }

    /// An exchange has ended. Any answer counts, also one that refuses.
    pub(super) fn met(&self, answered: bool) {
        let now = self.clock.now();
        let mut contact = self.contacted();
        if answered {
            *contact = Contact { answered_at: Some(now), silent_since: None };
        } else {
            contact.silent_since.get_or_insert(now);
        }
    }

    pub(super) fn fill(&self, page: &mut Page, now: Timestamp) {
        for (endpoint, result, count) in self.counters() {
            page.count(&catalogue::REQUESTS, &[&endpoint, &result], count);
        }
        page.histogram(&catalogue::REQUEST_TIME, &[], &self.times);
        for who in self.credentials() {
            let limits = who.limits();
            for (resource, limit, left) in limits.windows(now) {
                page.count(&catalogue::LIMIT_LEFT, &[&who.name, resource], left);
                if let Some(limit) = limit {
                    page.count(&catalogue::LIMIT, &[&who.name, resource], limit);
                }
            }
            page.put(&catalogue::BANNED, &[&who.name], seconds(limits.banned_for(now)));
            if let Some(at) = limits.token_expires_at() {
                page.put(&catalogue::TOKEN_LEFT, &[&who.name], seconds(at.since(now)));
            }
        }
    }
}

fn seconds(span: Millis) -> f64 {
    span.duration().as_secs_f64()
}
