//! A worker in this process with its streams, and a producer beside it. No job starts: every slot is closed by a limit of zero.

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use redis::{Value, aio::MultiplexedConnection, cmd};
use serde_json::json;
use sluicegate::{
    boot::{Daemon, streams::Streams, wire},
    config::{Loaded, Settings},
    ledger::rows::RequestRow,
};
use tempfile::TempDir;

use crate::support::{Postgres, RedisServer};

/// Others may be building on the same machine.
const PATIENCE: Duration = Duration::from_secs(50);
/// Between two looks. Nothing is decided by it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

pub const TEMPLATE: &str = r#"
name = "bump"
version = 1
summary = "Raise a dependency"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
pull_request = false
estimate_credits = 1
prompt = "Raise {{ inputs.package | data }} in {{ repository.full_name }}."
[inputs]
required = ["package"]
[inputs.properties.package]
type = "string"
description = "the package, such as serde"
[scope]
may_change = ["**"]
"#;

/// Each test has streams of its own on the one server.
static PREFIXES: AtomicU32 = AtomicU32::new(0);

/// A file in the place's folder.
pub fn sqlite() -> String {
    String::new()
}

pub fn postgres() -> String {
    Postgres::shared().database()
}

/// Where a worker finds everything; several workers may share one.
pub struct Place {
    pub folder: TempDir,
    pub prefix: String,
    pub redis: MultiplexedConnection,
}

/// A worker that runs.
pub struct Worker {
    pub daemon: Daemon,
    pub streams: Streams,
}

impl Place {
    /// On the server that all tests share.
    pub async fn new(ledger: String, more: &str) -> Self {
        Self::on(RedisServer::shared(), ledger, more).await
    }

    pub async fn on(redis: &RedisServer, ledger: String, more: &str) -> Self {
        Self::named(redis, ledger, more, format!("test-{}", PREFIXES.fetch_add(1, Ordering::Relaxed))).await
    }

    pub async fn named(redis: &RedisServer, ledger: String, more: &str, prefix: String) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let ledger = if ledger.is_empty() { format!("sqlite:{}/ledger.db", path.display()) } else { ledger };
        fs::create_dir_all(path.join("templates/bump")).unwrap();
        fs::write(path.join("templates/bump/1.toml"), TEMPLATE.trim_start()).unwrap();
        fs::write(path.join("bot-token"), "token-of-nobody").unwrap();
        let text = format!(
            r#"
[ledger]
url = "{ledger}"
[http]
listen = "127.0.0.1:0"
token_file = "token"
[streams]
url = "{}"
prefix = "{prefix}"
{more}
[[identity]]
name = "bot"
token = "file:bot-token"
[github]
base_url = "http://127.0.0.1:9"
[policy]
repositories = ["acme/*"]
[[budget]]
name = "slots"
kind = "slots"
per = "global"
limit = 0
"#,
            redis.url()
        );
        fs::write(path.join("sluice.toml"), text).unwrap();
        let client = redis::Client::open(redis.url()).unwrap();
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        Self { folder, prefix, redis }
    }

    pub fn loaded(&self) -> Loaded {
        Settings::load(Some(&self.folder.path().join("sluice.toml")), &BTreeMap::new()).unwrap()
    }

    /// A worker with its streams on.
    pub async fn worker(&self) -> Worker {
        let loaded = self.loaded();
        let daemon = self.daemon().await;
        let streams = Streams::open(&loaded, &BTreeMap::new(), &daemon.context).unwrap();
        Worker { daemon, streams }
    }

    /// A worker without streams.
    pub async fn daemon(&self) -> Daemon {
        Daemon::start(wire::parts(&self.loaded(), &BTreeMap::new()).unwrap()).await.unwrap()
    }

    pub fn stream(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    pub async fn ask(&self, words: &[&str]) -> Value {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// Adds an entry with the one field; gives its id.
    pub async fn add(&self, body: impl AsRef<[u8]>) -> String {
        self.add_as("*", body).await
    }

    pub async fn add_as(&self, id: &str, body: impl AsRef<[u8]>) -> String {
        let mut add = cmd("XADD");
        add.arg(self.stream("requests")).arg(id).arg("request").arg(body.as_ref());
        add.query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// The entries of a stream, as field lists.
    pub async fn entries(&self, name: &str) -> Vec<(String, BTreeMap<String, Vec<u8>>)> {
        let mut range = cmd("XRANGE");
        range.arg(self.stream(name)).arg("-").arg("+");
        range.query_async(&mut self.redis.clone()).await.unwrap()
    }

    /// The rejected: entry id and code of the reason.
    pub async fn rejections(&self) -> Vec<(String, String)> {
        let entries = self.entries("rejected").await;
        let told = entries.into_iter().map(|(_, fields)| {
            let reason: serde_json::Value = serde_json::from_slice(&fields["reason"]).unwrap();
            let entry = String::from_utf8(fields["entry"].clone()).unwrap();
            (entry, reason["code"].as_str().unwrap().to_owned())
        });
        told.collect()
    }

    /// Waits until no entry is left, neither unread nor unsettled.
    pub async fn is_settled(&self) {
        let requests = self.stream("requests");
        eventually("an empty stream of requests", async || {
            let left: i64 = cmd("XLEN").arg(&requests).query_async(&mut self.redis.clone()).await.unwrap();
            (left == 0).then_some(())
        })
        .await;
    }
}

impl Worker {
    pub async fn requests(&self) -> Vec<RequestRow> {
        let mut rows = self.daemon.context.ledger.requests(10_000).await.unwrap();
        rows.sort_by_key(|row| row.id);
        rows
    }

    pub async fn stop(self) {
        self.daemon.context.shutdown.cancel();
        self.streams.ended().await;
        self.daemon.stop().await.unwrap();
    }
}

/// Looks until there is something to see.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("not seen: {what}"))
}

/// A good request for one repository.
pub fn request(repository: &str) -> serde_json::Value {
    json!({
        "template": "bump", "repositories": [format!("acme/{repository}")], "requester": "carla",
        "inputs": { "package": "serde" },
    })
}

pub fn keyed(repository: &str, key: &str) -> String {
    let mut request = request(repository);
    request["idempotency_key"] = json!(key);
    request.to_string()
}
