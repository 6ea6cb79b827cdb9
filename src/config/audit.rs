//! The section of the configuration about signing the history.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::{secret::SecretRef, sections::within};

/// How the history is kept trustworthy.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// Signs checkpoints and statements; left out: nothing is signed.
    pub key: Option<SecretRef>,
    /// Public keys that may have signed, besides that of `key`: those that it has replaced.
    pub trusted_keys: Vec<String>,
    /// A checkpoint is made after so many entries; 1 to 100,000,000.
    #[serde(deserialize_with = "within::<_, i64, 1, 100_000_000>")]
    pub checkpoint_entries: i64,
    /// And after so many hours, if anything was written; 1 to 8,760.
    #[serde(deserialize_with = "within::<_, u64, 1, 8_760>")]
    pub checkpoint_hours: u64,
    /// Gets a copy of each checkpoint; from the working directory.
    pub checkpoint_file: Option<PathBuf>,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            key: None,
            trusted_keys: Vec::new(),
            checkpoint_entries: 10_000,
            checkpoint_hours: 24,
            checkpoint_file: None,
        }
    }
}
