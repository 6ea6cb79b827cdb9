//! The receiver that is always there: notices become log lines.

use async_trait::async_trait;

use crate::notify::{Handle, Outgoing, Sink, SinkError};

/// Never fails.
#[derive(Clone, Debug)]
pub struct LogSink {
    name: String,
}

impl LogSink {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Default for LogSink {
    fn default() -> Self {
        Self::named("log")
    }
}

#[async_trait]
impl Sink for LogSink {
    fn name(&self) -> &str {
        &self.name
    }
    fn kind(&self) -> &'static str {
        "log"
    }
    async fn deliver(&self, notice: &Outgoing) -> Result<Option<Handle>, SinkError> {
        let Outgoing { id, kind, occurred_at, subject, data, pull: _ } = notice;
        tracing::info!(notice = %id, %kind, job = %subject, %occurred_at, %data, "notice");
        Ok(None)
    }
}
