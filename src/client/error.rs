//! Why a daemon was not asked, did not answer, or refused. No error carries the token.

use std::error::Error;

use http::StatusCode;
use serde::Deserialize;

use crate::policy::Problem;

/// What went wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{what} is not the address of a daemon: {why}")]
    Address { what: String, why: String },
    #[error("the token holds characters that no header may hold")]
    Token,
    #[error("setting up the HTTP client failed: {0}")]
    Setup(String),
    /// `sent`: it may have been done all the same.
    #[error("the daemon at {server} {}: {why}", if *sent { "did not answer" } else { "cannot be reached" })]
    Unreachable { server: String, why: String, sent: bool },
    #[error("the request cannot be written as JSON: {0}")]
    Unwritable(String),
    #[error("the daemon's answer cannot be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    Refused(Box<Refusal>),
}

/// A problem document (RFC 9457), with our code and the problems of a refused input.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Refusal {
    pub status: u16,
    pub title: String,
    /// A stable token; empty: whoever answered was not a daemon.
    pub code: String,
    pub detail: String,
    pub problems: Vec<Problem>,
    /// As it came.
    #[serde(skip)]
    pub body: String,
}

impl Refusal {
    pub(super) fn read(status: StatusCode, body: String) -> Self {
        let read: Self = serde_json::from_str(&body).unwrap_or_default();
        Self { status: status.as_u16(), body, ..read }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.detail.as_str(), self.title.as_str()) {
            ("", "") => write!(f, "the daemon answered {}", self.status),
            ("", said) | (said, _) => f.write_str(said),
        }
    }
}

/// An error with its causes on one line; reqwest's own text says only that something failed.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = if cause.is_some() { String::new() } else { "no answer".to_owned() };
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            let gap = if text.is_empty() { "" } else { ": " };
            text.push_str(gap);
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
