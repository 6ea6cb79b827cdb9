//! Reading server-sent events. Whoever loses the connection asks again after the last id that it has.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Map, Value};

use crate::client::{ClientError, error::causes};

/// The daemon says something every 15 seconds: whoever hears nothing for so long has lost it.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// An event is far smaller.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Something that happened; the fields of its body are those of `docs/schemas/event.schema.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: i64,
    pub kind: String,
    pub body: Map<String, Value>,
}

impl Event {
    /// A field of its body.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name)?.as_str()
    }
}

/// A stream of events.
pub struct Events {
    response: reqwest::Response,
    reading: Reading,
}

impl Events {
    pub(super) fn new(response: reqwest::Response, after: Option<i64>) -> Self {
        Self { response, reading: Reading { last: after, ..Reading::default() } }
    }

    /// Where to go on after the connection is lost.
    pub const fn last(&self) -> Option<i64> {
        self.reading.last
    }

    /// None: the daemon ended the stream. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if let Some(event) = self.reading.ready.pop_front() {
                return Ok(Some(event));
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await;
            let chunk = chunk
                .map_err(|_| self.lost("nothing was heard"))?
                .map_err(|error| self.lost(&causes(&error)))?;
            match chunk {
                Some(bytes) => self.reading.take(&bytes)?,
                None => return Ok(None),
            }
        }
    }

    fn lost(&self, why: &str) -> ClientError {
        let server = self.response.url().origin().ascii_serialization();
        ClientError::Unreachable { server, why: why.to_owned(), sent: true }
    }
}

/// What was read of a stream.
#[derive(Debug, Default)]
struct Reading {
    rest: Vec<u8>,
    ready: VecDeque<Event>,
    last: Option<i64>,
}

impl Reading {
    fn take(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let mut read = std::mem::take(&mut self.rest);
        read.extend_from_slice(bytes);
        let mut rest = read.as_slice();
        let end = |rest: &[u8]| rest.windows(2).position(|pair| pair == b"\n\n");
        while let Some((block, after)) =
            end(rest).and_then(|end| rest.split_at_checked(end.saturating_add(2)))
        {
            self.block(&String::from_utf8_lossy(block))?;
            rest = after;
        }
        if rest.len() > EVENT_BYTES_MAX {
            return Err(ClientError::Unreadable("an event without an end".to_owned()));
        }
        self.rest = rest.to_vec();
        Ok(())
    }

    /// A block without data only tells how far the stream is.
    fn block(&mut self, block: &str) -> Result<(), ClientError> {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.next().map(|value| value.strip_prefix(' ').unwrap_or(value))
        };
        let id = field("id").and_then(|id| id.parse().ok());
        self.last = id.or(self.last);
        if let (Some(id), Some(data)) = (id, field("data")) {
            let body =
                serde_json::from_str(data).map_err(|error| ClientError::Unreadable(error.to_string()))?;
            self.ready.push_back(Event { id, kind: field("event").unwrap_or_default().to_owned(), body });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream = "retry: 2000\nid: 7\n\n: a comment\n\nid: 9\nevent: job.started\ndata: {\"state\":\"running\"}\n\nid: 12\n\n";
        for size in 1..stream.len() {
            let mut reading = Reading::default();
            for chunk in stream.as_bytes().chunks(size) {
                reading.take(chunk).unwrap();
            }
            assert_eq!((reading.ready.len(), reading.last), (1, Some(12)));
            let event = reading.ready.pop_front().unwrap();
            assert_eq!(
                (event.id, event.kind.as_str(), event.text("state")),
                (9, "job.started", Some("running"))
            );
        }
    }

    #[test]
    fn an_event_without_an_end_is_not_read_for_ever() {
        let mut reading = Reading::default();
        assert!(reading.take(&vec![b'x'; EVENT_BYTES_MAX + 1]).is_err());
    }
}
