//! What a worker does of the way of a job, and the names of the leases that let one worker of a fleet do a thing alone.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A part of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Ask the gate who is next, and the ledger whether it may be.
    Admit,
    /// Send starts, and look for those whose answer was lost.
    Start,
    /// Follow tasks to their end, and verify what they left.
    Track,
    /// Follow pull requests to their merge or close.
    Review,
    /// Deliver notices.
    Notify,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Admit, Self::Start, Self::Track, Self::Review, Self::Notify];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Start => "start",
            Self::Track => "track",
            Self::Review => "review",
            Self::Notify => "notify",
        }
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no role: write admit, start, track, review or notify"))
    }
}

/// The roles of one worker. As text: the words with commas between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    pub fn all() -> Self {
        Self::from_iter(Role::ALL)
    }
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, role) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", role.as_str())?;
        }
        Ok(())
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let words = text.split(',').filter(|word| !word.is_empty());
        words.map(Role::from_str).collect::<Result<_, _>>().map_err(de::Error::custom)
    }
}

/// Names something that one worker of a fleet does alone. It lives as long as the worker that holds it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseName(String);

impl LeaseName {
    /// Following every task of an identity: one list call serves all of them.
    pub fn track(identity: &str) -> Self {
        Self(format!("track/{identity}"))
    }
    /// Following every pull request of an identity that is under review.
    pub fn review(identity: &str) -> Self {
        Self(format!("review/{identity}"))
    }
    /// Delivering notices.
    pub fn notify() -> Self {
        Self("notify".to_owned())
    }
    /// Housekeeping that is done once for the whole ledger.
    pub fn upkeep() -> Self {
        Self("upkeep".to_owned())
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_words_with_commas_in_the_order_of_the_way_of_a_job() {
        let roles = Roles::from_iter([Role::Track, Role::Admit]);
        assert_eq!(serde_json::to_string(&roles).unwrap(), r#""admit,track""#);
        assert_eq!(serde_json::from_str::<Roles>(r#""admit,track""#).unwrap(), roles);
        assert_eq!(serde_json::from_str::<Roles>(r#""""#).unwrap(), Roles::default());
        assert!(serde_json::from_str::<Roles>(r#""admit,cook""#).is_err());
        assert_eq!(Roles::all().iter().count(), 5);
    }
}
