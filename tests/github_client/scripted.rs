//! A transport that answers from a script and remembers what it was asked, and a clock whose sleepers wake at
//! once. No test logic in here.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::{Request, Response};
use serde_json::Value;
use sluicegate::{
    agent::github::{GitHub, GitHubOptions, Identity, Transport, TransportError},
    clock::{Clock, ManualClock},
    job::time::{Millis, Timestamp},
};

pub const NOW: Timestamp = Timestamp(1_795_250_000_000);
pub const TOKEN: &str = "github_pat_11PLANTED0secret";

pub type Outcome = Result<Response<Vec<u8>>, TransportError>;
type Script = Box<dyn FnMut(&Request<Vec<u8>>) -> Outcome + Send>;

/// Answers by a closure.
pub struct Scripted {
    script: Mutex<Script>,
    asked: Mutex<Vec<Request<Vec<u8>>>>,
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request<Vec<u8>>) -> Outcome {
        let outcome = (self.script.lock().unwrap())(&request);
        self.asked.lock().unwrap().push(request);
        outcome
    }
}

/// Time passes only by sleeping.
pub struct Jumping(pub ManualClock);

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    async fn sleep_until(&self, at: Timestamp) {
        self.0.set(at);
    }
}

/// A client with one identity, `bot`, and what stands behind it.
pub struct Bench {
    pub github: GitHub,
    pub transport: Arc<Scripted>,
    pub clock: Arc<Jumping>,
}

pub fn options() -> GitHubOptions {
    GitHubOptions {
        identities: vec![Identity { name: "bot".to_owned(), token: TOKEN.into() }],
        requests_per_hour_reserve_for_starts: 100,
        min_write_gap_ms: 0,
        ..GitHubOptions::default()
    }
}

pub fn bench_with(
    options: GitHubOptions,
    script: impl FnMut(&Request<Vec<u8>>) -> Outcome + Send + 'static,
) -> Bench {
    let transport = Arc::new(Scripted { script: Mutex::new(Box::new(script)), asked: Mutex::default() });
    let clock = Arc::new(Jumping(ManualClock::new(NOW)));
    let github =
        GitHub::with_transport(options, Arc::<Jumping>::clone(&clock), Arc::<Scripted>::clone(&transport));
    Bench { github: github.unwrap(), transport, clock }
}

pub fn bench(script: impl FnMut(&Request<Vec<u8>>) -> Outcome + Send + 'static) -> Bench {
    bench_with(options(), script)
}

/// Answers in this order; one question more is an error of the test.
pub fn bench_of(outcomes: impl IntoIterator<Item = Outcome>) -> Bench {
    let mut outcomes: std::collections::VecDeque<_> = outcomes.into_iter().collect();
    bench(move |request| outcomes.pop_front().unwrap_or_else(|| panic!("unexpected {}", request.uri())))
}

impl Bench {
    pub fn asked(&self) -> Vec<Request<Vec<u8>>> {
        self.transport.asked.lock().unwrap().clone()
    }
    /// Path and query of every request, percent signs undone for the eye.
    pub fn lines(&self) -> Vec<String> {
        let line = |request: &Request<Vec<u8>>| {
            let uri = request.uri();
            let target = uri.path_and_query().unwrap().as_str().replace("%3A", ":").replace("%2C", ",");
            format!("{} {target}", request.method())
        };
        self.asked().iter().map(line).collect()
    }
    pub fn pass(&self, span: Millis) {
        self.clock.0.set(self.clock.now().plus(span));
    }
    pub fn count(&self, endpoint: &str, result: &str) -> u64 {
        let counters = self.github.counters();
        counters.iter().find(|(e, r, _)| e == endpoint && r == result).map_or(0, |(_, _, n)| *n)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "scripts mix answers with lost ones")]
pub fn reply(status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) -> Outcome {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(body.into()).unwrap())
}

pub fn ok(body: impl Into<Vec<u8>>) -> Outcome {
    reply(200, &[], body)
}

pub fn lost(sent: bool) -> Outcome {
    Err(TransportError { sent, message: "connection reset".to_owned() })
}

pub fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/github_client/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn json(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// The value of a query parameter.
pub fn query(request: &Request<Vec<u8>>, name: &str) -> Option<String> {
    let url = reqwest::Url::parse(&request.uri().to_string()).unwrap();
    url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
}

/// Epoch seconds, this long after the start of the test.
pub fn in_seconds(seconds: i64) -> String {
    (NOW.0 / 1_000 + seconds).to_string()
}
