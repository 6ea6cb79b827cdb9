//! The simplest bookkeeping that `decide` can be asked about: a list of holds, counted each time.

use std::collections::BTreeMap;

use sluicegate::{
    budget::{Amount, Books, Closure, Key, MemberView, Release, Rules, Take, View},
    job::Timestamp,
};

/// Every hold that was taken and not given back, by job.
#[derive(Clone, Debug, Default)]
pub struct PlainBooks {
    pub rules: Rules,
    pub closed: BTreeMap<Key, Closure>,
    pub now: Timestamp,
    pub holds: Vec<(usize, Take)>,
}

impl PlainBooks {
    pub fn take(&mut self, job: usize, takes: Vec<Take>) {
        self.holds.extend(takes.into_iter().map(|take| (job, take)));
    }
    pub fn give_back(&mut self, job: usize, release: Release) {
        self.holds.retain(|(holder, take)| *holder != job || take.release != release);
    }
    pub fn refund(&mut self, job: usize) {
        self.holds.retain(|(holder, _)| *holder != job);
    }
    pub fn used(&self, key: &Key) -> Amount {
        let counts =
            |take: &&(usize, Take)| take.1.key == *key && take.1.expires_at.is_none_or(|at| self.now < at);
        self.holds.iter().filter(counts).fold(Amount::ZERO, |sum, (_, take)| sum.plus(take.amount).unwrap())
    }
    /// Everything that a decision can see of the given budgets.
    pub fn figures(&self, keys: &[Key]) -> Vec<View> {
        keys.iter().map(|key| self.view(key)).collect()
    }
}

impl Books for PlainBooks {
    fn view(&self, key: &Key) -> View {
        View { used: self.used(key), limit: self.rules.limit(key), closed: self.closed.get(key).cloned() }
    }
    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let members = self.rules.pool(pool).map(|pool| (pool.name.clone(), pool.members.clone()));
        let (name, members) = members.unwrap_or_default();
        let view = |member: sluicegate::budget::Member| {
            let key = Key::member(&name, &member.login);
            let away_until = member.away_until(now);
            MemberView { view: self.view(&key), key, away_until, login: member.login }
        };
        members.into_iter().map(view).collect()
    }
}
