//! A simulator, a folder for the daemon's lives, and what people do from outside: submit, look, answer the agent.

use std::{
    fs,
    path::Path,
    sync::OnceLock,
    time::{Duration, Instant},
};

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    life::{Life, PATIENCE, PAUSE},
    setting::{SECRET, Setting},
};

const PORT_FILE: &str = "port";
const ADDRESS_FILE: &str = "token.url";
const DAEMON_LOG: &str = "daemon.log";
const FAILPOINT_LOG: &str = "failpoint.log";
/// Of the one request.
const KEY: &str = "bump-serde";
/// Lines of the daemon's log that a failed test shows.
const SHOWN: usize = 80;

pub struct House {
    pub setting: Setting,
    folder: TempDir,
    simulator: String,
    _simulator: Life,
    client: Client,
    /// The first answer to the submit.
    request: OnceLock<String>,
}

impl House {
    pub async fn build(setting: Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::create_dir_all(path.join("templates/bump")).unwrap();
        fs::write(path.join("templates/bump/1.toml"), setting.template()).unwrap();
        fs::write(path.join("scenario.toml"), setting.scenario()).unwrap();
        let arguments =
            ["simulate", "--listen", "127.0.0.1:0", "--scenario", "scenario.toml", "--port-file", PORT_FILE];
        let mut process = Life::start(path, "simulator.log", &arguments, &[]);
        let simulator = line_of(&path.join(PORT_FILE), &mut process).await.expect("the simulator starts");
        fs::write(path.join("sluice.toml"), setting.configuration(&simulator)).unwrap();
        // An error says that another test was faster, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let refuse = client.post(format!("{simulator}/_control/webhooks/fail"));
        refuse.json(&json!({ "times": setting.refused_notices })).send().await.unwrap();
        Self { setting, folder, simulator, _simulator: process, client, request: OnceLock::new() }
    }

    /// Begins a life of the daemon; it is not waited for.
    pub fn begin(&self, failpoint: Option<&str>) -> Life {
        fs::remove_file(self.folder.path().join(ADDRESS_FILE)).ok();
        let mut environment = vec![("CRASH_TEST_TOKEN", "sim-token"), ("CRASH_TEST_SECRET", SECRET)];
        if let Some(failpoint) = failpoint {
            environment.extend([("SLUICE_FAILPOINT", failpoint), ("SLUICE_FAILPOINT_LOG", FAILPOINT_LOG)]);
        }
        Life::start(self.folder.path(), DAEMON_LOG, &["serve", "--config", "sluice.toml"], &environment)
    }

    /// True once it takes requests; false if it ended before.
    pub async fn is_ready(&self, life: &mut Life) -> bool {
        line_of(&self.folder.path().join(ADDRESS_FILE), life).await.is_some()
    }

    /// What the crash log says.
    pub fn crashes(&self) -> String {
        fs::read_to_string(self.folder.path().join(FAILPOINT_LOG)).unwrap_or_default()
    }

    /// Submits the one request; None: no answer came. Every answer must name the same request.
    pub async fn submit(&self) -> Option<String> {
        let repositories: Vec<String> = self.setting.repositories().map(|(name, _)| name).collect();
        let body = json!({
            "template": "bump", "requester": "carla", "inputs": { "package": "serde" }, "repositories": repositories,
            "idempotency_key": KEY,
        });
        let answer = self.send(Method::POST, "/v1/requests", Some(&body)).await?;
        assert!(answer.status().is_success(), "{answer:?}");
        let answer: Value = answer.json().await.ok()?;
        let id = answer["request"].as_str().unwrap();
        assert_eq!(self.request.get_or_init(|| id.to_owned()), id, "one key, one request");
        Some(id.to_owned())
    }

    /// What the daemon says; None: no answer came.
    pub async fn look(&self, path: &str) -> Option<Value> {
        let answer = self.send(Method::GET, path, None).await?;
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json().await.ok()
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Response> {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).ok();
        let (address, token) = (read(ADDRESS_FILE)?, read("token")?);
        let url = format!("{}{path}", address.trim());
        let request = self.client.request(method, url).bearer_auth(token.trim());
        let request = if let Some(body) = body { request.json(body) } else { request };
        request.send().await.ok()
    }

    /// The histories of all jobs.
    pub async fn history(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        let jobs = self.look("/v1/jobs").await.expect("the daemon answers");
        for job in jobs["jobs"].as_array().unwrap() {
            let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
            let job = self.look(&path).await.expect("the daemon answers");
            entries.extend(job["history"].as_array().unwrap().iter().cloned());
        }
        entries
    }

    /// What the simulator knows.
    pub async fn oracle(&self, what: &str) -> Vec<Value> {
        let url = format!("{}/_control/{what}", self.simulator);
        self.client.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// A person answers every task that waits for one; the daemon knows of it only by looking.
    async fn answer(&self, jobs: &[Value]) {
        let waits = |task: &Value| {
            let job = task["marker"].as_str().unwrap_or_default().split('/').next().map(str::to_owned);
            task["state"] == "waiting_for_user"
                && jobs.iter().any(|known| known["id"] == json!(job) && known["state"] == "waiting_for_user")
        };
        for task in self.oracle("tasks").await.iter().filter(|task| waits(task)) {
            let url = format!("{}/_control/tasks/{}/answer", self.simulator, task["id"].as_str().unwrap());
            assert!(self.client.post(url).send().await.unwrap().status().is_success());
        }
    }

    /// Waits until every job has ended and every notice has gone out.
    pub async fn rest(&self, life: &mut Life) {
        let begun = now();
        loop {
            assert_eq!(life.has_ended(), None, "the daemon ended");
            let jobs = self.look("/v1/jobs").await.expect("the daemon answers");
            let jobs = jobs["jobs"].as_array().unwrap();
            let ended = |job: &Value| {
                ["succeeded", "rejected", "dead"].contains(&job["state"].as_str().unwrap_or_default())
            };
            if jobs.iter().all(ended) && self.is_all_told().await {
                return;
            }
            self.answer(jobs).await;
            let waits: Vec<_> =
                jobs.iter().map(|job| (&job["repository"], &job["state"], &job["wait"])).collect();
            assert!(begun.elapsed() < PATIENCE, "still waiting: {waits:#?}");
            tokio::time::sleep(PAUSE * 3).await;
        }
    }

    async fn is_all_told(&self) -> bool {
        let notices = self.look("/v1/notices?limit=1000").await.expect("the daemon answers");
        notices["notices"].as_array().unwrap().iter().all(|notice| !notice["delivered_at"].is_null())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join(DAEMON_LOG)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            println!(
                "the daemon's log ends with:\n{}",
                lines[lines.len().saturating_sub(SHOWN)..].join("\n")
            );
        }
    }
}

/// The line in a file, once it is there as a whole; None if the process ended before.
async fn line_of(file: &Path, process: &mut Life) -> Option<String> {
    let begun = now();
    loop {
        match fs::read_to_string(file) {
            // Both programs write it with one call.
            Ok(text) if !text.is_empty() => return Some(text.trim().to_owned()),
            _ if process.has_ended().is_some() => return None,
            _ => tokio::time::sleep(PAUSE).await,
        }
        assert!(begun.elapsed() < PATIENCE, "{} does not come", file.display());
    }
}

#[expect(clippy::disallowed_methods, reason = "the bound of a wait for another process")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time since, for what the tests print.
pub fn seconds(since: Instant) -> f64 {
    Duration::as_secs_f64(&since.elapsed())
}
