//! Posts a notice to one URL: a CloudEvents 1.0 body with a Standard Webhooks signature. One call is one try;
//! trying again is the outbox's business.

use std::sync::Arc;

use async_trait::async_trait;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::Value;

use crate::{
    clock::Clock,
    notify::{
        Handle, Outgoing, Sink, SinkError, SinkErrorKind, SinkReason,
        post::{BadTarget, Poster, Target},
    },
    policy::standard_webhooks::SigningKey,
};

/// Delivers to one URL.
pub struct WebhookSink {
    poster: Poster,
    key: SigningKey,
    clock: Arc<dyn Clock>,
}

impl WebhookSink {
    pub fn new(target: Target, key: SigningKey, clock: Arc<dyn Clock>) -> Result<Self, BadTarget> {
        Ok(Self { poster: Poster::new(target, false)?, key, clock })
    }
}

#[async_trait]
impl Sink for WebhookSink {
    fn name(&self) -> &str {
        &self.poster.name
    }
    fn kind(&self) -> &'static str {
        "webhook"
    }
    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        let body = serde_json::to_vec(&CloudEvent::of(notice)).map_err(|error| {
            let (kind, reason) = (SinkErrorKind::Permanent, SinkReason::BadMessage);
            self.poster.failed(notice, kind, reason, &error.to_string())
        })?;
        let sent_at = self.clock.now().0.div_euclid(1_000);
        let request = self
            .poster
            .request()
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", &notice.id)
            .header("webhook-timestamp", sent_at)
            .header("webhook-signature", self.key.sign(&notice.id, sent_at, &body))
            .body(body);
        self.poster.send(notice, request).await.map(|()| None)
    }
    async fn examine(&self) -> Result<String, SinkError> {
        self.poster.examine().await
    }
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
