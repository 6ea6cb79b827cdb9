//! Which work an event is about, so that it is looked at now instead of at its next turn.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::job::repository::Repository;

/// What an event touches: some pull requests, and whatever has the branch or the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    pub repository: Repository,
    pub pulls: BTreeSet<u64>,
    pub branch: Option<String>,
    pub sha: Option<String>,
}

/// What an event of GitHub is about; None: nothing that is waited for.
pub fn concern(event: &str, payload: &Value) -> Option<Concern> {
    let _ = (event, payload);
    None
}
