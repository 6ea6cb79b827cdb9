//! Who keeps a gate closed. Several may at once, each for its own reason; it opens when the last of them lets go.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{budget::decide::Closure, job::time::Timestamp};

/// On whose behalf a gate is closed. Each has its own closure and lifts no other's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// A person, by hand.
    Operator,
    /// The provider asked to be left alone for a while.
    CoolDown,
    /// The token of an identity ends too soon for what would be started.
    Token,
    /// A calendar, by its name.
    Freeze(Arc<str>),
    /// Too many like failures, by the name of what counts them.
    Breaker(Arc<str>),
}

impl Source {
    pub fn freeze(name: &str) -> Self {
        Self::Freeze(name.into())
    }
    pub fn breaker(name: &str) -> Self {
        Self::Breaker(name.into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.pad("operator"),
            Self::CoolDown => f.pad("cool-down"),
            Self::Token => f.pad("token"),
            Self::Freeze(name) => write!(f, "freeze/{name}"),
            Self::Breaker(name) => write!(f, "breaker/{name}"),
        }
    }
}

/// A word that is no source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` closes no gate (operator, cool-down, token, freeze/NAME, breaker/NAME)")]
pub struct UnknownSource(pub String);

impl FromStr for Source {
    type Err = UnknownSource;
    fn from_str(text: &str) -> Result<Self, UnknownSource> {
        match text.split_once('/') {
            None if text == "operator" => Ok(Self::Operator),
            None if text == "cool-down" => Ok(Self::CoolDown),
            None if text == "token" => Ok(Self::Token),
            Some(("freeze", name)) if !name.is_empty() => Ok(Self::freeze(name)),
            Some(("breaker", name)) if !name.is_empty() => Ok(Self::breaker(name)),
            _ => Err(UnknownSource(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Source {
    type Error = UnknownSource;
    fn try_from(text: String) -> Result<Self, UnknownSource> {
        text.parse()
    }
}
impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.to_string()
    }
}

/// Everything that closes one gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClosedBy(BTreeMap<Source, Closure>);

impl ClosedBy {
    /// As the ledger keeps it. A closure that stands alone is of the time when a gate had only one.
    pub fn read(text: &str) -> Self {
        let alone = || {
            let closure: Closure = serde_json::from_str(text).ok()?;
            let source = if closure.actor == "sluicegate" { Source::CoolDown } else { Source::Operator };
            Some(Self(BTreeMap::from([(source, closure)])))
        };
        serde_json::from_str(text).ok().or_else(alone).unwrap_or_default()
    }
    /// None: open.
    pub fn write(&self) -> Option<String> {
        if self.0.is_empty() { None } else { serde_json::to_string(self).ok() }
    }
    pub fn get(&self, source: &Source) -> Option<&Closure> {
        self.0.get(source)
    }
    pub fn close(&mut self, source: Source, closure: Closure) {
        self.0.insert(source, closure);
    }
    pub fn open(&mut self, source: &Source) -> Option<Closure> {
        self.0.remove(source)
    }
    /// Those whose time has come say nothing any more.
    pub fn forget_past(&mut self, now: Timestamp) {
        self.0.retain(|_, closure| closure.holds_at(now));
    }
    /// The one that opens last: when it lets go, nothing is left.
    pub fn last(&self) -> Option<&Closure> {
        let opens = |closure: &Closure| closure.opens_at.map_or(i64::MAX, |at| at.0);
        // Of equals the first source counts: a person before a machine.
        self.0.values().rev().max_by_key(|closure| opens(closure))
    }
    /// The others, with their sources.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, &Closure)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closure(reason: &str, opens_at: Option<i64>) -> Closure {
        let opens_at = opens_at.map(Timestamp);
        Closure { reason: reason.into(), actor: "ana".into(), since: Timestamp(0), opens_at }
    }

    #[test]
    fn the_closure_that_opens_last_is_the_one_that_counts() {
        let mut closed = ClosedBy::default();
        assert_eq!((closed.last(), closed.write()), (None, None));
        closed.close(Source::CoolDown, closure("429", Some(5)));
        closed.close(Source::freeze("year-end"), closure("year end", Some(9)));
        assert_eq!(closed.last().unwrap().reason, "year end");
        closed.close(Source::Operator, closure("incident", None));
        closed.close(Source::breaker("b1"), closure("storm", None));
        assert_eq!(closed.last().unwrap().reason, "incident");
        assert_eq!(ClosedBy::read(&closed.write().unwrap()), closed);
        closed.open(&Source::Operator).unwrap();
        assert_eq!(closed.last().unwrap().reason, "storm");
        closed.open(&Source::breaker("b1")).unwrap();
        closed.forget_past(Timestamp(5));
        assert_eq!(
            closed.iter().map(|(source, _)| source.to_string()).collect::<Vec<_>>(),
            ["freeze/year-end"]
        );
    }

    #[test]
    fn a_closure_of_the_time_before_sources_keeps_its_gate_closed() {
        let old = serde_json::to_string(&closure("incident", None)).unwrap();
        assert_eq!(ClosedBy::read(&old).get(&Source::Operator).unwrap().reason, "incident");
    }

    #[test]
    fn a_source_is_read_as_it_is_written() {
        for source in
            [Source::Operator, Source::CoolDown, Source::Token, Source::freeze("a"), Source::breaker("b/c")]
        {
            assert_eq!(source.to_string().parse(), Ok(source));
        }
        for text in ["", "freeze", "freeze/", "person", "operator/ana"] {
            assert!(text.parse::<Source>().is_err(), "{text}");
        }
    }
}
