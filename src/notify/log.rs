//! The receiver that is always there: notices become log lines.

use async_trait::async_trait;

use crate::notify::{Handle, Outgoing, Sink, SinkError};

/// Never fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogSink;

#[async_trait]
impl Sink for LogSink {
    fn name(&self) -> &'static str {
        "log"
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
