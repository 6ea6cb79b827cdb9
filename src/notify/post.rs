//! One POST to one URL, for every receiver that has one: guarded, never redirected, never through a proxy. The URL may
//! hold a secret, so messages name its origin only.

use std::{error::Error, io};

use http::StatusCode;
use ipnet::IpNet;
use reqwest::{Client, RequestBuilder, Response, Url, redirect::Policy};
use rustls::crypto::{CryptoProvider, ring};

use crate::{
    job::time::Millis,
    notify::{
        Outgoing, SinkError, SinkErrorKind, SinkReason,
        guard::{Closed, Guard},
    },
};

/// How long a receiver may take to answer, unless told otherwise.
pub const TIMEOUT_DEFAULT: Millis = Millis::seconds(10);

/// Where a receiver is.
#[derive(Clone, Debug)]
pub struct Target {
    /// Of the receiver, in the configuration.
    pub name: String,
    pub url: String,
    pub timeout: Millis,
    pub allow_private: Vec<IpNet>,
}

/// A receiver cannot be set up as configured. No message contains the URL.
#[derive(Debug, thiserror::Error)]
pub enum BadTarget {
    #[error("read the url of {name}: {reason}")]
    Url { name: String, reason: String },
    #[error("set up {name}: {closed}")]
    Private { name: String, closed: Closed },
    #[error("set up the client of {name} for {origin}: {reason}")]
    Client { name: String, origin: String, reason: String },
}

/// Posts to one URL.
pub(super) struct Poster {
    pub(super) name: String,
    url: Url,
    /// Scheme, host and port: what may be told.
    origin: String,
    guard: Guard,
    timeout: Millis,
    client: Client,
}

impl Poster {
    /// `secret`: whoever reads the URL can use it, so that without encryption it goes only to networks that were named.
    pub(super) fn new(target: Target, secret: bool) -> Result<Self, BadTarget> {
        let Target { name, url, timeout, allow_private } = target;
        let bad = |reason: String| BadTarget::Url { name: name.clone(), reason };
        let url = Url::parse(&url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            // What was put there by mistake may be a secret of another kind.
            return Err(bad("it is not http or https".to_owned()));
        }
        let origin = url.origin().ascii_serialization();
        let plain = secret && url.scheme() == "http";
        let guard = if plain { Guard::only(&allow_private) } else { Guard::new(&allow_private) };
        guard
            .literal(url.host_str().unwrap_or_default())
            .map_err(|closed| BadTarget::Private { name: name.clone(), closed })?;
        if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider was installed meanwhile");
        }
        // A proxy would look the name up by itself, and a redirect would lead past the guard with a signed notice.
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .dns_resolver(guard.clone())
            .timeout(timeout.duration())
            .build()
            .map_err(|error| BadTarget::Client {
                name: name.clone(),
                origin: origin.clone(),
                reason: chain(&error),
            })?;
        Ok(Self { name, url, origin, guard, timeout, client })
    }

    pub(super) fn request(&self) -> RequestBuilder {
        self.client.post(self.url.clone())
    }

    /// Whether the receiver travels without encryption.
    pub(super) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    pub(super) async fn send(&self, notice: &Outgoing, request: RequestBuilder) -> Result<(), SinkError> {
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let (kind, reason) = judge_failure(&error);
                return Err(self.failed(notice, kind, reason, &chain(&error.without_url())));
            }
        };
        let status = answer.status();
        match judge(status) {
            None => Ok(()),
            Some((kind, reason)) => {
                let said = said(answer).await;
                Err(self.failed(notice, kind, reason, &format!("answered {status}{said}")))
            }
        }
    }

    pub(super) fn failed(
        &self,
        notice: &Outgoing,
        kind: SinkErrorKind,
        reason: SinkReason,
        what: &str,
    ) -> SinkError {
        let message = format!("deliver notice {} to {} at {}: {what}", notice.id, self.name, self.origin);
        SinkError { kind, reason, message }
    }

    /// Connects, and sends nothing.
    pub(super) async fn examine(&self) -> Result<String, SinkError> {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        match self.guard.knock(host, port, self.timeout.duration()).await {
            Ok(address) => Ok(format!("{} answers at {address}", self.origin)),
            Err(closed) => Err(SinkError {
                kind: SinkErrorKind::Transient,
                reason: closed.reason(),
                message: format!("look for {} at {}: {closed}", self.name, self.origin),
            }),
        }
    }
}

/// None: delivered.
fn judge(status: StatusCode) -> Option<(SinkErrorKind, SinkReason)> {
    use SinkErrorKind::{Permanent, Transient};
    match status.as_u16() {
        200..=299 => None,
        408 => Some((Transient, SinkReason::Timeout)),
        429 => Some((Transient, SinkReason::RateLimited)),
        401 | 403 => Some((Permanent, SinkReason::Unauthorised)),
        404 | 410 => Some((Permanent, SinkReason::UnknownRecipient)),
        400..=499 => Some((Permanent, SinkReason::Rejected)),
        // A redirect: it may point back one day.
        300..=399 => Some((Transient, SinkReason::Rejected)),
        _ => Some((Transient, SinkReason::ServerError)),
    }
}

fn judge_failure(error: &reqwest::Error) -> (SinkErrorKind, SinkReason) {
    use SinkErrorKind::{Permanent, Transient};
    if let Some(closed) = causes(error).find_map(|cause| cause.downcast_ref::<Closed>()) {
        return (Transient, closed.reason());
    }
    match () {
        () if error.is_builder() => (Permanent, SinkReason::BadMessage),
        () if error.is_timeout() => (Transient, SinkReason::Timeout),
        () if is_tls(error) => (Transient, SinkReason::Tls),
        () => (Transient, SinkReason::Unreachable),
    }
}

/// The receiver did not prove who it is, or there was no agreement on how to encrypt.
pub(super) fn is_tls(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause.is::<rustls::Error>() || inner.is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| (*error).source())
}

/// The error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let said = cause.to_string();
        if !text.contains(&said) {
            let colon = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{colon}{said}");
        }
    }
    text
}

/// The word by which receivers such as Slack say what they miss; nothing longer, since what a receiver answers may
/// repeat what it was asked under.
async fn said(mut answer: Response) -> String {
    let chunk = answer.chunk().await.ok().flatten().unwrap_or_default();
    let word = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let fits = (3..=40).contains(&chunk.len()) && chunk.iter().all(word);
    let word = std::str::from_utf8(&chunk).ok().filter(|_| fits);
    word.map(|word| format!(", {word}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_decides_whether_another_try_makes_sense() {
        for (status, told) in [
            (200, None),
            (202, None),
            (204, None),
            (301, Some((SinkErrorKind::Transient, "rejected"))),
            (307, Some((SinkErrorKind::Transient, "rejected"))),
            (400, Some((SinkErrorKind::Permanent, "rejected"))),
            (401, Some((SinkErrorKind::Permanent, "unauthorised"))),
            (403, Some((SinkErrorKind::Permanent, "unauthorised"))),
            (404, Some((SinkErrorKind::Permanent, "unknown-recipient"))),
            (408, Some((SinkErrorKind::Transient, "timeout"))),
            (410, Some((SinkErrorKind::Permanent, "unknown-recipient"))),
            (413, Some((SinkErrorKind::Permanent, "rejected"))),
            (429, Some((SinkErrorKind::Transient, "rate-limited"))),
            (500, Some((SinkErrorKind::Transient, "server-error"))),
            (503, Some((SinkErrorKind::Transient, "server-error"))),
        ] {
            let judged = judge(StatusCode::from_u16(status).unwrap());
            assert_eq!(judged.map(|(kind, reason)| (kind, reason.as_str())), told, "{status}");
        }
    }
}
