//! One HTTP exchange, and the one fact about a failed one that matters: whether the request may have
//! arrived. No retry and no redirect happens in here.

use std::{error::Error, time::Duration};

use async_trait::async_trait;
use reqwest::{Url, redirect::Policy};

use crate::agent::{AgentError, FailKind};

/// The longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A failed exchange.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// False only if it is certain that no byte of the request left.
    pub sent: bool,
    pub message: String,
}

/// Carries requests; over the network, or in process.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, TransportError>;
}

/// Over the network.
#[derive(Clone, Debug)]
pub struct HttpTransport(reqwest::Client);

impl HttpTransport {
    /// `base_url` decides on the proxy: none is used for a server on this machine.
    pub fn new(base_url: &Url, timeout: Duration) -> Result<Self, AgentError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error says that another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let builder = reqwest::Client::builder()
            // Below the whole, so that an unreachable host is told apart from a lost answer.
            .connect_timeout(timeout.div_f64(2.0))
            .timeout(timeout)
            // Shorter than servers keep idle connections: fewer requests meet a closing one.
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(Policy::none())
            .retry(reqwest::retry::never());
        let builder = if is_local(base_url) { builder.no_proxy() } else { builder };
        builder.build().map(Self).map_err(|error| AgentError {
            kind: FailKind::Invalid,
            message: format!("setting up the HTTP client failed: {}", causes(&error)),
        })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, TransportError> {
        let failed = |error: reqwest::Error| TransportError {
            sent: !(error.is_connect() || error.is_builder()),
            message: causes(&error.without_url()),
        };
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut response = self.0.execute(request).await.map_err(failed)?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if answer.body().len().saturating_add(chunk.len()) > ANSWER_BYTES_MAX {
                return Err(too_long());
            }
            answer.body_mut().extend_from_slice(&chunk);
        }
        Ok(answer)
    }
}

/// The answer that is longer than what is read.
pub(super) fn too_long() -> TransportError {
    TransportError { sent: true, message: format!("the answer is longer than {ANSWER_BYTES_MAX} bytes") }
}

fn is_local(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// An error with its causes on one line; reqwest's own text says only that something failed.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}
