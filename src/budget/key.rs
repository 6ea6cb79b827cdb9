//! The name of one budget: `slots/repository/acme/api`, `starts/global`, `pool/reviewers/ana`,
//! `gate/template/weekly-release-prep`. Shared text, cheap to clone.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::budget::rules::Scope;

/// First part of every gate's key: gates hold nothing, they are open or closed.
pub const GATE: &str = "gate";
/// No scope is called so: opening the gate of everything does not touch it.
const KILL_SWITCH: &str = "gate/kill-switch";
/// First part of the key of a pool and of its members.
pub const POOL: &str = "pool";
/// First part of the keys of budgets that only retries take from.
pub const RETRIES: &str = "retries";

/// A budget's key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Arc<str>);

impl Key {
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }
    /// `name/global` or `name/scope/value`.
    pub fn scoped(name: &str, scope: Scope, value: &str) -> Self {
        match scope {
            Scope::Global => Self(format!("{name}/global").into()),
            _ => Self(format!("{name}/{}/{value}", scope.as_str()).into()),
        }
    }
    pub fn gate(scope: Scope, value: &str) -> Self {
        Self::scoped(GATE, scope, value)
    }
    /// The gate before everything, above the pause of all: it also stops what is written at the provider.
    pub fn kill_switch() -> Self {
        Self(KILL_SWITCH.into())
    }
    pub fn is_kill_switch(&self) -> bool {
        &*self.0 == KILL_SWITCH
    }
    pub fn pool(pool: &str) -> Self {
        Self(format!("{POOL}/{pool}").into())
    }
    pub fn member(pool: &str, login: &str) -> Self {
        Self(format!("{POOL}/{pool}/{login}").into())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The part before the first slash.
    pub fn name(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
    pub fn is_gate(&self) -> bool {
        self.name() == GATE
    }
    /// `pool/reviewers/ana` belongs to `pool/reviewers`; None for anything that is no member.
    pub fn pool_of_member(&self) -> Option<Self> {
        let rest = self.0.strip_prefix("pool/")?;
        let (pool, _) = rest.split_once('/')?;
        Some(Self::pool(pool))
    }
    /// The login in a member's key.
    pub fn member_login(&self) -> Option<&str> {
        self.0.strip_prefix("pool/")?.split_once('/').map(|(_, login)| login)
    }
    /// Of a budget of one request or one repository, which of these: such a one belongs to few classes, any other to many.
    pub fn own_value(&self) -> Option<&str> {
        match self.scope() {
            Some((Scope::Request | Scope::Repository, value)) => Some(value),
            _ => None,
        }
    }
    /// Scope and its value; None for pools.
    pub fn scope(&self) -> Option<(Scope, &str)> {
        let (name, rest) = self.0.split_once('/')?;
        if name == POOL {
            return None;
        }
        let (scope, value) = rest.split_once('/').unwrap_or((rest, ""));
        scope.parse().ok().map(|scope| (scope, value))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_scope_and_its_pool() {
        let key = Key::scoped("slots", Scope::Repository, "acme/api");
        assert_eq!(
            (key.as_str(), key.scope()),
            ("slots/repository/acme/api", Some((Scope::Repository, "acme/api")))
        );
        assert_eq!(Key::scoped("starts", Scope::Global, "").scope(), Some((Scope::Global, "")));
        let ana = Key::member("reviewers", "ana");
        assert_eq!((ana.pool_of_member(), ana.member_login()), (Some(Key::pool("reviewers")), Some("ana")));
        assert_eq!(Key::pool("reviewers").pool_of_member(), None);
    }

    #[test]
    fn the_kill_switch_is_a_gate_of_no_scope() {
        let key = Key::kill_switch();
        assert!(key.is_gate() && key.is_kill_switch() && key.scope().is_none());
        assert!(Scope::ALL.into_iter().all(|scope| Key::gate(scope, "kill-switch") != key));
    }
}
