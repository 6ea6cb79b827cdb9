//! What the gate knows of the budgets: the ledger's figures, absolute and versioned, and the charges of proposals
//! that are not settled yet. Nothing is ever subtracted from a figure of the ledger.

use std::{collections::HashMap, sync::Arc};

use crate::{
    budget::{Amount, Books, Key, Member, MemberView, Rules, Take, Truth, View},
    job::time::Timestamp,
};

#[derive(Debug)]
pub(super) struct Figures {
    rules: Arc<Rules>,
    /// The pools of the rules by key, each member with its key.
    pools: HashMap<Key, Vec<(Key, Member)>>,
    told: HashMap<Key, Told>,
    /// Charged by open proposals; no entry is zero.
    pending: HashMap<Key, Amount>,
    #[cfg(feature = "failpoints")]
    pub gullible: bool,
}

#[derive(Debug)]
struct Told {
    view: View,
    version: i64,
    /// The last token given before it was heard.
    token: u64,
}

impl Figures {
    pub fn new(rules: Arc<Rules>) -> Self {
        let pools = rules.pools.iter().map(|(name, pool)| {
            let members = pool.members.iter();
            let members = members.map(|member| (Key::member(name, &member.login), member.clone())).collect();
            (Key::pool(name), members)
        });
        Self {
            pools: pools.collect(),
            rules,
            told: HashMap::new(),
            pending: HashMap::new(),
            #[cfg(feature = "failpoints")]
            gullible: false,
        }
    }

    /// Takes over a figure of the ledger if it is newer; true if it was.
    pub fn hear(&mut self, truth: &Truth, token: u64) -> bool {
        let known = self.told.get(&truth.key).map(|told| told.version);
        let newer = known.is_none_or(|known| known < truth.version);
        #[cfg(feature = "failpoints")]
        let newer = newer || self.gullible;
        if newer {
            let view = View { used: truth.used, limit: truth.limit, closed: truth.closed.clone() };
            self.told.insert(truth.key.clone(), Told { view, version: truth.version, token });
        }
        newer
    }

    /// True if the ledger has spoken of the budget, or of a member of the pool, since the token was given.
    pub fn heard_since(&self, key: &Key, token: u64) -> bool {
        let heard = |key: &Key| self.told.get(key).is_some_and(|told| told.token >= token);
        heard(key) || self.pool(key).iter().any(|(key, _)| heard(key))
    }

    pub fn charge(&mut self, takes: &[Take]) {
        for take in takes {
            let pending = self.pending.entry(take.key.clone()).or_default();
            *pending = pending.plus(take.amount).unwrap_or(Amount::MAX);
        }
    }

    pub fn discharge(&mut self, takes: &[Take]) {
        for take in takes {
            if let Some(pending) = self.pending.get_mut(&take.key) {
                *pending = pending.minus(take.amount);
                if *pending == Amount::ZERO {
                    self.pending.remove(&take.key);
                }
            }
        }
    }

    /// The members of a pool; none for a key that is no pool.
    pub fn pool(&self, key: &Key) -> &[(Key, Member)] {
        self.pools.get(key).map_or(&[], Vec::as_slice)
    }

    /// The next time at which an opening gate or a returning member may change what fits.
    pub fn next_change(&self, key: &Key, now: Timestamp) -> Option<Timestamp> {
        let opens = |key: &Key| self.told.get(key)?.view.closed.as_ref()?.opens_at;
        let members = self
            .pool(key)
            .iter()
            .flat_map(|(key, member)| member.away.iter().map(|(_, to)| *to).chain(opens(key)));
        members.chain(opens(key)).filter(|at| *at > now).min()
    }
}

impl Books for Figures {
    fn view(&self, key: &Key) -> View {
        let mut view = match self.told.get(key) {
            Some(told) => told.view.clone(),
            None => View { limit: self.rules.limit(key), ..View::default() },
        };
        if let Some(pending) = self.pending.get(key) {
            view.used = view.used.plus(*pending).unwrap_or(Amount::MAX);
        }
        view
    }

    fn members(&self, pool: &Key, now: Timestamp) -> Vec<MemberView> {
        let members = self.pool(pool).iter().map(|(key, member)| MemberView {
            login: member.login.clone(),
            key: key.clone(),
            view: self.view(key),
            away_until: member.away_until(now),
        });
        members.collect()
    }
}
