//! Posts a notice to one URL: a CloudEvents 1.0 body with a Standard Webhooks signature. One call is one try;
//! trying again is the outbox's business. The URL may hold a secret, so messages name its origin only.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use http::{StatusCode, header::CONTENT_TYPE};
use reqwest::{Client, Url, redirect::Policy};
use rustls::crypto::{CryptoProvider, ring};
use serde::Serialize;
use serde_json::Value;

use crate::{
    clock::Clock,
    job::time::Millis,
    notify::{Outgoing, Sink, SinkError, SinkErrorKind},
    policy::standard_webhooks::SigningKey,
};

/// How long a receiver may take to answer, unless told otherwise.
pub const TIMEOUT_DEFAULT: Millis = Millis::seconds(10);

/// A webhook cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    #[error("read the webhook url: {0}")]
    Url(String),
    #[error("set up the webhook client for {origin}: {reason}")]
    Client { origin: String, reason: String },
}

/// Delivers to one URL.
pub struct WebhookSink {
    url: Url,
    /// Scheme, host and port: what may be told.
    origin: String,
    key: SigningKey,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl WebhookSink {
    /// Redirects are not followed: a signed notice goes where it was configured to go, or nowhere.
    pub fn new(
        url: &str,
        key: SigningKey,
        timeout: Millis,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let url = Url::parse(url).map_err(|error| WebhookError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError::Url(format!("`{}` is not http or https", url.scheme())));
        }
        let origin = url.origin().ascii_serialization();
        if CryptoProvider::get_default().is_none() && ring::default_provider().install_default().is_err() {
            tracing::debug!("a TLS provider was installed meanwhile");
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(timeout.duration())
            .build()
            .map_err(|error| WebhookError::Client { origin: origin.clone(), reason: chain(error) })?;
        Ok(Self { url, origin, key, client, clock })
    }

    fn failed(&self, kind: SinkErrorKind, notice: &Outgoing, reason: &str) -> SinkError {
        let message = format!("deliver notice {} to webhook {}: {reason}", notice.id, self.origin);
        SinkError { kind, message }
    }
}

#[async_trait]
impl Sink for WebhookSink {
    fn name(&self) -> &'static str {
        "webhook"
    }

    async fn deliver(&self, notice: &Outgoing) -> Result<(), SinkError> {
        let body = serde_json::to_vec(&CloudEvent::of(notice))
            .map_err(|error| self.failed(SinkErrorKind::Permanent, notice, &error.to_string()))?;
        let sent_at = self.clock.now().0.div_euclid(1_000);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", sent_at)
            .header("webhook-signature", self.key.sign(&notice.id, sent_at, &body))
            .body(body);
        match request.send().await {
            Ok(answer) => match judge(answer.status()) {
                None => Ok(()),
                Some(kind) => Err(self.failed(kind, notice, &format!("answered {}", answer.status()))),
            },
            Err(error) => {
                let kind =
                    if error.is_builder() { SinkErrorKind::Permanent } else { SinkErrorKind::Transient };
                Err(self.failed(kind, notice, &chain(error)))
            }
        }
    }
}

/// None: delivered.
fn judge(status: StatusCode) -> Option<SinkErrorKind> {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Some(SinkErrorKind::Transient),
        status if status.is_success() => None,
        status if status.is_client_error() => Some(SinkErrorKind::Permanent),
        _ => Some(SinkErrorKind::Transient),
    }
}

/// The error with its causes and without its URL.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The body: CloudEvents 1.0, JSON, structured.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'static str,
    #[serde(rename = "type")]
    kind: String,
    time: String,
    subject: &'a str,
    datacontenttype: &'static str,
    data: &'a Value,
}

impl<'a> CloudEvent<'a> {
    fn of(notice: &'a Outgoing) -> Self {
        Self {
            specversion: "1.0",
            id: &notice.id,
            source: "sluicegate",
            kind: format!("dev.sluicegate.{}", notice.kind),
            time: notice.occurred_at.to_string(),
            subject: &notice.subject,
            datacontenttype: "application/json",
            data: &notice.data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_decides_whether_another_try_makes_sense() {
        use SinkErrorKind::{Permanent, Transient};
        for (status, kind) in [
            (200, None),
            (202, None),
            (204, None),
            (301, Some(Transient)),
            (307, Some(Transient)),
            (400, Some(Permanent)),
            (401, Some(Permanent)),
            (404, Some(Permanent)),
            (408, Some(Transient)),
            (410, Some(Permanent)),
            (429, Some(Transient)),
            (500, Some(Transient)),
            (503, Some(Transient)),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap()), kind, "{status}");
        }
    }
}
