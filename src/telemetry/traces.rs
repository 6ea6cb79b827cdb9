//! Traces for a collector, as OTLP over HTTP with JSON. A span is made when what it tells of is over, with ids that follow from
//! what it is about, so that any process can tell its part of a trace without asking another. Best effort: what a collector
//! does not take is counted and forgotten. Must not hold up any work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    job::time::Timestamp,
    telemetry::metrics::{Page, catalogue},
};

/// Spans that wait to be sent; more are forgotten.
const WAITING_MAX: usize = 16_384;
/// Spans of one request.
const BATCH_MAX: usize = 512;
/// How long spans are gathered before they are sent.
const GATHER: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tries of one batch, and the wait after the first; doubles.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);
/// How long the end of the process waits for the last spans.
const LAST: Duration = Duration::from_secs(3);

/// One thing that took time. Names and attributes follow OpenTelemetry's conventions where there are some.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace: [u8; 16],
    pub id: u64,
    /// None: the root of its trace.
    pub parent: Option<u64>,
    pub name: String,
    pub from: Timestamp,
    pub to: Timestamp,
    pub attributes: Vec<(&'static str, Value)>,
    /// What went wrong.
    pub error: Option<String>,
    /// Another trace that this one goes on from.
    pub link: Option<([u8; 16], u64)>,
}

/// Where traces go.
#[derive(Clone, Debug)]
pub struct Collector {
    /// Without the path, which OTLP fixes.
    pub endpoint: String,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<SecretString>,
    /// What the process is called in traces.
    pub service: String,
    /// Which process it is.
    pub instance: String,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    lost: AtomicU64,
}

/// Takes spans. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tracer {
    spans: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

impl Tracer {
    /// Never waits.
    pub fn record(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn meters(&self, page: &mut Page) {
        page.count(&catalogue::TRACE_SPANS, &["sent"], self.counts.sent.load(Ordering::Relaxed));
        page.count(&catalogue::TRACE_SPANS, &["lost"], self.counts.lost.load(Ordering::Relaxed));
    }
}

/// The task that sends.
#[derive(Debug)]
pub struct Exporter {
    pub tracer: Tracer,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Must be called on a tokio runtime. Err: the client cannot be set up.
    pub fn start(collector: Collector) -> Result<Self, reqwest::Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error says that another thread was faster, which is as good.
            drop(rustls::crypto::ring::default_provider().install_default());
        }
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        let (spans, waiting) = mpsc::channel(WAITING_MAX);
        let tracer = Tracer { spans, counts: Arc::default() };
        let end = CancellationToken::new();
        let sender = Sender { collector, client, counts: Arc::clone(&tracer.counts), end: end.clone() };
        Ok(Self { tracer, end, task: tokio::spawn(sender.run(waiting)) })
    }

    /// Sends what is there, for a moment at most.
    pub async fn finish(self) {
        self.end.cancel();
        if tokio::time::timeout(LAST, self.task).await.is_err() {
            tracing::warn!("the last spans could not be sent within {} s", LAST.as_secs());
        }
    }
}

struct Sender {
    collector: Collector,
    client: reqwest::Client,
    counts: Arc<Counts>,
    end: CancellationToken,
}

impl Sender {
    async fn run(self, mut waiting: mpsc::Receiver<Span>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut refused = false;
        loop {
            tokio::select! {
                biased;
                got = waiting.recv_many(&mut batch, BATCH_MAX) => if got == 0 { return },
                () = self.end.cancelled() => return,
            }
            if batch.len() < BATCH_MAX && !self.end.is_cancelled() {
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    () = self.end.cancelled() => {}
                }
            }
            while batch.len() < BATCH_MAX {
                let Ok(span) = waiting.try_recv() else { break };
                batch.push(span);
            }
            let number = u64::try_from(batch.len()).unwrap_or_default();
            match self.send(&batch).await {
                Ok(()) => {
                    self.counts.sent.fetch_add(number, Ordering::Relaxed);
                    refused = false;
                }
                Err(why) => {
                    self.counts.lost.fetch_add(number, Ordering::Relaxed);
                    // Once, until it goes well again.
                    if !std::mem::replace(&mut refused, true) {
                        tracing::warn!(
                            why,
                            spans = number,
                            "spans are lost: the collector does not take them"
                        );
                    }
                }
            }
            batch.clear();
        }
    }

    /// Tries again as OTLP asks for: after no answer, and after answers that say so.
    async fn send(&self, batch: &[Span]) -> Result<(), String> {
        let body = body(&self.collector, batch).to_string();
        let mut wait = PAUSE;
        for attempt in 1.. {
            let mut request = self
                .client
                .post(format!("{}/v1/traces", self.collector.endpoint.trim_end_matches('/')))
                .header(reqwest::header::CONTENT_TYPE, "application/json")
                .body(body.clone());
            if let Some(token) = &self.collector.token {
                request = request.bearer_auth(token.expose_secret());
            }
            let why = match request.send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) if !matches!(answer.status().as_u16(), 429 | 502 | 503 | 504) => {
                    return Err(format!("it answered {}", answer.status()));
                }
                Ok(answer) => format!("it answered {}", answer.status()),
                Err(error) => error.without_url().to_string(),
            };
            if attempt >= TRIES || self.end.is_cancelled() {
                return Err(why);
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.end.cancelled() => {}
            }
            wait = wait.saturating_mul(2);
        }
        Ok(())
    }
}

/// An `ExportTraceServiceRequest` in OTLP's JSON: ids in hex, whole numbers as text.
fn body(collector: &Collector, batch: &[Span]) -> Value {
    let resource = [
        ("service.name", json!(collector.service)),
        ("service.version", json!(env!("CARGO_PKG_VERSION"))),
        ("service.instance.id", json!(collector.instance)),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes(&resource) },
        "scopeSpans": [{
            "scope": { "name": "sluicegate", "version": env!("CARGO_PKG_VERSION") },
            "spans": batch.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
}

fn span(span: &Span) -> Value {
    let mut object = json!({
        "traceId": trace_id(span.trace),
        "spanId": span_id(span.id),
        "name": span.name,
        // SPAN_KIND_INTERNAL.
        "kind": 1,
        "startTimeUnixNano": nanoseconds(span.from),
        "endTimeUnixNano": nanoseconds(span.to.max(span.from)),
        "attributes": attributes(&span.attributes),
    });
    let mut set = |key: &str, value: Value| {
        if let Some(fields) = object.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
    };
    if let Some(parent) = span.parent {
        set("parentSpanId", json!(span_id(parent)));
    }
    if let Some(error) = &span.error {
        // STATUS_CODE_ERROR.
        set("status", json!({ "code": 2, "message": error }));
    }
    if let Some((trace, id)) = span.link {
        set("links", json!([{ "traceId": trace_id(trace), "spanId": span_id(id) }]));
    }
    object
}

fn attributes(pairs: &[(&'static str, Value)]) -> Vec<Value> {
    let typed = |value: &Value| match value {
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    };
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": typed(value) })).collect()
}

fn trace_id(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Zero names no span.
fn span_id(id: u64) -> String {
    format!("{:016x}", id.max(1))
}

fn nanoseconds(at: Timestamp) -> String {
    i128::from(at.0).saturating_mul(1_000_000).to_string()
}
