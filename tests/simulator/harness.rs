//! A simulator on a free loopback port with a clock that the test moves, and a client for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Once;
use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sluicegate::simulator::{Scenario, SimClock, Simulator};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// 2026-01-01T00:00:00Z.
pub const START_MS: i64 = 1_767_225_600_000;
pub const SECRET: &str = "sim-token";

/// One operator who may do everything, in repositories that all exist.
pub const PEOPLE: &str = r#"
[[repositories]]
match = "*/*"
codeowners = "* @ana\n"
[[users]]
login = "octo-operator"
id = 1001
[[tokens]]
name = "operator"
secret = "sim-token"
user = "octo-operator"
"#;

/// A running simulator; it stops when dropped.
pub struct Sim {
    pub base: String,
    pub client: Client,
    clock: Arc<AtomicI64>,
    _stop: oneshot::Sender<()>,
}

/// Status, headers and JSON of an answer.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub fn client() -> Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| rustls::crypto::ring::default_provider().install_default().unwrap());
    Client::builder().user_agent("simulator-tests").build().unwrap()
}

/// Starts a simulator that plays `story` with the usual people.
pub async fn start(story: &str) -> Sim {
    start_exactly(&format!("{story}\n{PEOPLE}")).await
}

/// Starts a simulator that plays exactly this scenario.
pub async fn start_exactly(scenario: &str) -> Sim {
    let clock = Arc::new(AtomicI64::new(START_MS));
    let scenario = Scenario::from_toml(scenario, "test.toml").unwrap();
    let simulator = Simulator::new(scenario, SimClock::Manual(Arc::clone(&clock)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel();
    tokio::spawn(async move {
        let shutdown = async move {
            stopped.await.unwrap_or_default();
        };
        simulator.serve_on(listener, shutdown).await.unwrap();
    });
    Sim { base, client: client(), clock, _stop: stop }
}

impl Sim {
    /// Moves time forward.
    pub fn pass(&self, milliseconds: i64) {
        self.clock.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        self.client.request(method, url).header("x-github-api-version", "2026-03-10").bearer_auth(SECRET)
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        answer(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        answer(self.request(method, path).json(&body)).await
    }

    /// The JSON of a GET that must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "GET {path}: {}", answer.body);
        answer.body
    }

    /// Creates a task and returns its id.
    pub async fn create(&self, repository: &str, prompt: &str) -> String {
        let body = json!({"prompt": prompt, "model": "gpt-5.4", "create_pull_request": true});
        let answer = self.post(&tasks_of(repository), body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        text(&answer.body, "/id")
    }

    pub async fn task(&self, id: &str) -> Value {
        self.read(&format!("/agents/tasks/{id}")).await
    }

    /// A task that is completed by force, with the number of its pull request.
    pub async fn completed(&self, repository: &str) -> (String, u64) {
        let id = self.create(repository, "do it").await;
        self.post(&format!("/_control/tasks/{id}/complete"), json!({})).await;
        let pulls = self.read(&format!("/repos/{repository}/pulls")).await;
        (id, pulls[0]["number"].as_u64().unwrap())
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Answer { status, headers, body }
}

pub fn tasks_of(repository: &str) -> String {
    format!("/agents/repos/{repository}/tasks")
}

/// A text inside a JSON value.
pub fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
        .to_owned()
}

/// Fails with every violation if a value does not follow an official schema.
pub fn follows(value: &Value, schema: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/github/{schema}.json"));
    let schema_text = std::fs::read_to_string(&path).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema_text).unwrap()).unwrap();
    let flaws: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(flaws.is_empty(), "{schema}: {flaws:#?}");
}
