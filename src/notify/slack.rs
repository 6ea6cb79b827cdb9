//! Posts a notice to an incoming webhook of Slack, or of what understands the same. It cannot edit: an incoming
//! webhook tells no message's name.

use async_trait::async_trait;

use crate::notify::{
    Handle, Outgoing, Sink, SinkError,
    message::Message,
    post::{BadTarget, Poster, Target},
    render,
};

/// Delivers to one channel.
pub struct SlackSink {
    poster: Poster,
}

impl SlackSink {
    /// The URL is a secret, and is not sent without encryption but to a network that was named.
    pub fn new(target: Target) -> Result<Self, BadTarget> {
        let private = !target.allow_private.is_empty();
        let poster = Poster::new(target, true)?;
        if poster.is_plain() && !private {
            let reason = "the url is a secret and would travel without encryption: write \"https://...\"";
            return Err(BadTarget::Url { name: poster.name, reason: reason.to_owned() });
        }
        Ok(Self { poster })
    }
}

#[async_trait]
impl Sink for SlackSink {
    fn name(&self) -> &str {
        &self.poster.name
    }
    fn kind(&self) -> &'static str {
        "slack"
    }
    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        let request = self.poster.request().json(&render::slack(&Message::of(notice)));
        self.poster.send(notice, request).await.map(|()| None)
    }
    async fn examine(&self) -> Result<String, SinkError> {
        self.poster.examine().await
    }
}
