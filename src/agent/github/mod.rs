//! GitHub: the client for the agent tasks and the pull request endpoints. It sends, reads and classifies;
//! it decides nothing about jobs, writes no record, and sends a start once at most.

pub mod transport;

mod answer;
mod atlas;
mod client;
mod comments;
mod counters;
mod credential;
mod etags;
mod exchange;
mod limits;
mod links;
mod meters;
mod pulls;
mod tasks;
mod wire;

pub use client::GitHub;
pub use transport::{HttpTransport, Transport, TransportError};

use std::{fmt, sync::Arc};

use secrecy::SecretString;

/// GitHub's public address.
pub const BASE_URL: &str = "https://api.github.com";

/// A named credential. Its Debug shows no token.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: String,
    pub token: SecretString,
}

/// From the name of an identity to its token; None: it cannot be read now.
pub type ReadToken = dyn Fn(&str) -> Option<SecretString> + Send + Sync;

/// Reads tokens again, where they are kept.
#[derive(Clone)]
pub struct Reread(pub Arc<ReadToken>);

impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// How to reach GitHub, and how hard to lean on it.
#[derive(Clone, Debug)]
pub struct GitHubOptions {
    pub base_url: String,
    pub identities: Vec<Identity>,
    /// None: tokens stay as they are for the life of the process.
    pub reread: Option<Reread>,
    /// From the first byte sent to the last one read. GitHub itself cuts requests at 10 s.
    pub request_timeout_ms: u64,
    /// Requests per hour that only starts may use; never more than half of what GitHub allows.
    pub requests_per_hour_reserve_for_starts: u32,
    /// Between two writes of one identity. GitHub asks for a second or more.
    pub min_write_gap_ms: u64,
    /// Ask with `If-None-Match` where an answer came with an `ETag`: an unchanged answer costs no request budget.
    pub use_etags: bool,
}

impl Default for GitHubOptions {
    fn default() -> Self {
        Self {
            base_url: BASE_URL.to_owned(),
            identities: Vec::new(),
            reread: None,
            request_timeout_ms: 12_000,
            requests_per_hour_reserve_for_starts: 500,
            min_write_gap_ms: 1_000,
            use_etags: true,
        }
    }
}
