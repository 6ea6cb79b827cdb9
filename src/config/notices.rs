//! `[notices]`: which receivers of notices there are, and how they are reached.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use crate::{
    config::{secret::SecretRef, sections::within},
    job::{repository::Repository, time::Millis},
    policy::notices::{
        Rules,
        written::{WrittenRoute, WrittenSummary},
    },
};

/// Messages to people and systems.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notices {
    /// The receiver named `webhook`.
    pub webhook: Option<Webhook>,
    /// As written; `sinks` is what they mean.
    #[serde(rename = "sink")]
    pub written_sinks: Vec<Written>,
    /// Every receiver but the log, checked.
    #[serde(skip)]
    pub sinks: Vec<Receiver>,
    /// As written; `rules` is what they mean.
    #[serde(rename = "route")]
    pub written_routes: Vec<WrittenRoute>,
    #[serde(rename = "summary")]
    pub written_summaries: Vec<WrittenSummary>,
    /// Where notices go, checked.
    #[serde(skip)]
    pub rules: Rules,
    /// Tries of one notice, the first included; 1 to 100.
    #[serde(deserialize_with = "within::<_, u32, 1, 100>")]
    pub max_attempts: u32,
    /// Wait before the second try, doubled with each further one; 100 to 3,600,000.
    #[serde(deserialize_with = "within::<_, u64, 100, 3_600_000>")]
    pub base_ms: u64,
}

impl Default for Notices {
    fn default() -> Self {
        Self {
            webhook: None,
            written_sinks: Vec::new(),
            sinks: Vec::new(),
            written_routes: Vec::new(),
            written_summaries: Vec::new(),
            rules: Rules::default(),
            max_attempts: 12,
            base_ms: 10_000,
        }
    }
}

/// The receiver of signed notices that needs no name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: String,
    /// `whsec_` and base64, as Standard Webhooks has it.
    pub secret: SecretRef,
    /// 100 to 120,000.
    #[serde(default = "ten_seconds", deserialize_with = "within::<_, u64, 100, 120_000>")]
    pub timeout_ms: u64,
    /// Networks that it may be in although they are not public, such as `10.0.0.0/8`.
    #[serde(default)]
    pub allow_private: Vec<IpNet>,
}

/// A receiver as people write it; which keys it has depends on `kind`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub name: String,
    pub kind: Kind,
    /// An address, or a reference to the secret that holds it.
    pub url: Option<String>,
    pub secret: Option<SecretRef>,
    pub identity: Option<String>,
    #[serde(rename = "where")]
    pub place: Option<Place>,
    pub repository: Option<String>,
    pub number: Option<u64>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub tls: Option<Tls>,
    /// Certificates in PEM to trust besides the system's, from the folder of the configuration file.
    pub ca_file: Option<PathBuf>,
    pub from: Option<String>,
    pub to: Option<Vec<String>>,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
    /// 100 to 120,000.
    #[serde(default = "ten_seconds", deserialize_with = "within::<_, u64, 100, 120_000>")]
    pub timeout_ms: u64,
    #[serde(default)]
    pub allow_private: Vec<IpNet>,
}

const fn ten_seconds() -> u64 {
    10_000
}

/// What a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Webhook,
    Slack,
    GithubComment,
    Email,
    Log,
}

impl Kind {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Webhook => "a webhook",
            Self::Slack => "an incoming webhook of Slack",
            Self::GithubComment => "a comment at GitHub",
            Self::Email => "e-mail",
            Self::Log => "the log",
        }
    }
}

/// Where comments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// On the pull request of the job; without one, on the issue.
    PullRequest,
    Issue,
}

/// How mail travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// Begins in plain text and turns to TLS, or nothing is sent.
    Starttls,
    /// From the first byte.
    Implicit,
    None,
}

/// A receiver, checked.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub name: String,
    pub timeout: Millis,
    pub allow_private: Vec<IpNet>,
    pub way: Way,
}

impl Receiver {
    pub fn secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let (first, second) = match &self.way {
            Way::Webhook { url: Address::Secret(url), secret } => (Some(url), Some(secret)),
            Way::Webhook { secret, .. } => (Some(secret), None),
            Way::Slack { url } => (Some(url), None),
            Way::Email(email) => (email.login.as_ref().map(|(_, password)| password), None),
            Way::GithubComment { .. } | Way::Log => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// How a receiver is reached.
#[derive(Clone, Debug)]
pub enum Way {
    Webhook { url: Address, secret: SecretRef },
    Slack { url: SecretRef },
    GithubComment { identity: String, place: Place, repository: Repository, number: u64 },
    Email(Email),
    Log,
}

/// Written down, or kept where secrets are: an address may be one.
#[derive(Clone, Debug)]
pub enum Address {
    Plain(String),
    Secret(SecretRef),
}

/// A mail server, and whose mail it takes to whom.
#[derive(Clone, Debug)]
pub struct Email {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    pub from: String,
    pub to: Vec<String>,
    pub login: Option<(String, SecretRef)>,
    pub ca_file: Option<PathBuf>,
}

/// The receivers that need no configuration.
pub(super) const BUILT_IN: &str = "log";
