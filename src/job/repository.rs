//! The full name of a repository, `owner/name`. GitHub compares both without case, so do we.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// `owner/name` in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    full: String,
    slash: usize,
}

/// A text that names no repository.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a repository: write owner/name with letters, digits, `-`, `_` and `.` (owner at most 39, name at most 100 characters)"
)]
pub struct InvalidRepository(pub String);

impl Repository {
    pub fn owner(&self) -> &str {
        self.full.get(..self.slash).unwrap_or_default()
    }
    pub fn name(&self) -> &str {
        self.full.get(self.slash.saturating_add(1)..).unwrap_or_default()
    }
    /// `owner/name`.
    pub fn full_name(&self) -> &str {
        &self.full
    }
}

impl FromStr for Repository {
    type Err = InvalidRepository;
    fn from_str(text: &str) -> Result<Self, InvalidRepository> {
        let invalid = || InvalidRepository(text.chars().take(160).collect());
        let (owner, name) = text.split_once('/').ok_or_else(invalid)?;
        let plain = |part: &str, max: usize| {
            !part.is_empty()
                && part.len() <= max
                && part != "."
                && part != ".."
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if !plain(owner, 39) || !plain(name, 100) {
            return Err(invalid());
        }
        Ok(Self { full: text.to_ascii_lowercase(), slash: owner.len() })
    }
}

impl TryFrom<String> for Repository {
    type Error = InvalidRepository;
    fn try_from(text: String) -> Result<Self, InvalidRepository> {
        text.parse()
    }
}
impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.full
    }
}
impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.full)
    }
}
impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_compare_without_case() {
        assert_eq!("Acme/API".parse::<Repository>().unwrap(), "acme/api".parse().unwrap());
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        for text in
            ["api", "acme/", "/api", "acme/api/x", "a b/c", "acme/..", "acme/a\u{202e}b", "https://x/y"]
        {
            assert!(text.parse::<Repository>().is_err(), "{text}");
        }
    }
}
