//! The whole program on a stage: the simulator binary, the daemon binary, and the command line binary that a person
//! would use, each a process of its own, in one temporary folder. Nothing is reached but over HTTP, files and signals.
#![allow(dead_code, reason = "each test program uses a part of this module")]

pub mod process;
pub mod settings;
pub mod wire;

use std::{fs, path::PathBuf, process::ExitStatus, sync::Mutex, time::Duration};

use serde_json::{Value, json};
use sluicegate::{
    clock::{Clock, SystemClock},
    job::time::Millis,
};
use tempfile::TempDir;

pub use process::{Process, Ran};
pub use settings::{BOT_TOKEN, HOOK_SECRET, Settings};

/// Between two looks at another process. Nothing is decided by it: whoever waits, waits for what it sees.
const LOOK_EVERY: Duration = Duration::from_millis(15);
/// Others may be building on the same machine.
const PATIENCE: Millis = Millis::seconds(50);

/// Looks until there is something to see.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = SystemClock.now().plus(PATIENCE);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(SystemClock.now() < until, "not seen within {PATIENCE}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// One folder with everything in it.
pub struct Stage {
    simulator: Option<Process>,
    daemon: Option<Process>,
    pub simulator_url: String,
    daemon_url: String,
    /// Every answer of the daemon and the commands, to look for secrets in.
    said: Mutex<String>,
    /// What the daemon finds in its environment besides its secret.
    pub env: Vec<(&'static str, String)>,
    /// Last: what fails shows its logs before they go.
    pub folder: TempDir,
}

impl Stage {
    /// The simulator runs; configuration and templates are written; the daemon is not started yet.
    pub fn set(scenario: &str, settings: &Settings) -> Self {
        let folder = tempfile::Builder::new().prefix("sluicegate-stage-").tempdir().unwrap();
        let mut stage = Self {
            folder,
            simulator: None,
            daemon: None,
            simulator_url: String::new(),
            daemon_url: String::new(),
            said: Mutex::default(),
            env: Vec::new(),
        };
        stage.write("scenario.toml", scenario);
        let (scenario, port) = (stage.path("scenario.toml"), stage.path("simulator.url"));
        let line = ["simulate", "--listen", "127.0.0.1:0", "--seed", "7", "--scenario"];
        let mut line: Vec<String> = line.map(str::to_owned).to_vec();
        line.extend([scenario.display().to_string(), "--port-file".to_owned(), port.display().to_string()]);
        let mut simulator = Process::start("simulator", stage.folder.path(), &line, &[]);
        stage.simulator_url = eventually("the simulator's address", || {
            assert!(simulator.is_running(), "the simulator ended: {}", simulator.log());
            fs::read_to_string(&port).ok().map(|text| text.trim().to_owned()).filter(|url| !url.is_empty())
        });
        stage.simulator = Some(simulator);
        stage.write("bot-token", BOT_TOKEN);
        for (path, text) in settings::TEMPLATES {
            stage.write(&format!("templates/{path}"), text.trim_start());
        }
        stage.configure(settings);
        stage
    }

    /// Writes the configuration, for the next start.
    pub fn configure(&self, settings: &Settings) {
        self.write("sluice.toml", settings.text(self.folder.path(), &self.simulator_url));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn daemon_line(&self) -> Vec<String> {
        vec!["serve".to_owned(), "--config".to_owned(), self.path("sluice.toml").display().to_string()]
    }

    /// Starts the daemon and waits for its address.
    pub fn open(&mut self) {
        let address = self.path("token.url");
        drop(fs::remove_file(&address));
        let more = self.env.iter().map(|(name, value)| (*name, value.as_str()));
        let env: Vec<_> = [("SLUICE_TEST_HOOK", HOOK_SECRET)].into_iter().chain(more).collect();
        let mut daemon = Process::start("daemon", self.folder.path(), &self.daemon_line(), &env);
        self.daemon_url = eventually("the daemon's address", || {
            assert!(daemon.is_running(), "the daemon ended: {}", daemon.log());
            let url = fs::read_to_string(&address).ok()?.trim().to_owned();
            (!url.is_empty() && wire::exchange(&url, "GET", "/healthz", &[], b"").is_some()).then_some(url)
        });
        self.daemon = Some(daemon);
    }

    /// Runs the daemon's command to its end: for starts that must be refused.
    pub fn serve_in_vain(&self, env: &[(&str, &str)]) -> Ran {
        let line = self.daemon_line();
        let ran = process::run(self.folder.path(), &line, env);
        self.heard(&[&ran.out, &ran.err]);
        ran
    }

    /// Ends the daemon as an init system does, and waits for it.
    pub fn close(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("no daemon runs");
        daemon.signal("TERM");
        daemon.wait()
    }

    pub fn daemon(&mut self) -> &mut Process {
        self.daemon.as_mut().expect("no daemon runs")
    }

    /// A command's line with what names the daemon.
    pub fn line(&self, line: &[&str]) -> Vec<String> {
        let config = self.path("sluice.toml").display().to_string();
        let mut whole = vec!["--config".to_owned(), config];
        if !self.daemon_url.is_empty() {
            whole.extend(["--server".to_owned(), self.daemon_url.clone()]);
        }
        whole.extend(line.iter().map(|word| (*word).to_owned()));
        whole
    }

    /// Runs a command of the program against the daemon.
    pub fn sluice(&self, line: &[&str]) -> Ran {
        let ran = process::run(self.folder.path(), &self.line(line), &[]);
        self.heard(&[&ran.out, &ran.err]);
        ran
    }

    /// The same, which must succeed, as JSON.
    pub fn json(&self, line: &[&str]) -> Value {
        let ran = self.sluice(&[line, &["--json"]].concat());
        assert_eq!(ran.code, 0, "sluice {line:?}: {}{}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("sluice {line:?}: {error}: {}", ran.out))
    }

    /// What the daemon answers at a path.
    pub fn ask(&self, path: &str) -> Value {
        let token = fs::read_to_string(self.path("token")).unwrap();
        let bearer = format!("Bearer {}", token.trim());
        let headers = [("authorization", bearer.as_str())];
        let (status, body) =
            wire::exchange(&self.daemon_url, "GET", path, &headers, b"").expect("the daemon does not answer");
        assert_eq!(status, 200, "{path}: {body}");
        self.heard(&[&body]);
        serde_json::from_str(&body).unwrap()
    }

    /// A webhook to the daemon: it has no token.
    pub fn deliver(&self, hook: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let path = format!("/v1/hooks/{hook}");
        let (status, answer) = wire::exchange(&self.daemon_url, "POST", &path, headers, body.as_bytes())
            .expect("the daemon does not answer");
        (status, serde_json::from_str(&answer).unwrap_or_default())
    }

    /// What the simulator's control interface answers.
    pub fn control(&self, path: &str) -> Value {
        let path = format!("/_control/{path}");
        let (status, body) = wire::exchange(&self.simulator_url, "GET", &path, &[], b"").unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Tells the simulator to do something.
    pub fn direct(&self, path: &str, body: &Value) -> Value {
        let (path, body) = (format!("/_control/{path}"), body.to_string());
        let headers = [("content-type", "application/json")];
        let (status, answer) =
            wire::exchange(&self.simulator_url, "POST", &path, &headers, body.as_bytes()).unwrap();
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or_default()
    }

    /// Submits one request through the command line; gives its id.
    pub fn submit(&self, template: &str, repositories: &[&str], more: &Value) -> String {
        let mut request = json!({
            "template": template, "requester": "carla", "inputs": {"package": "serde"},
            "repositories": repositories.iter().map(|name| format!("acme/{name}")).collect::<Vec<_>>(),
        });
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        let name = format!("request-{}.json", template.replace('@', "-"));
        self.write(&name, request.to_string());
        let accepted = self.json(&["submit", &self.path(&name).display().to_string()]);
        accepted["request"].as_str().unwrap().to_owned()
    }

    fn heard(&self, said: &[&str]) {
        self.said.lock().unwrap().push_str(&said.concat());
    }

    pub fn jobs(&self) -> Vec<Value> {
        self.ask("/v1/jobs?limit=10000")["jobs"].as_array().unwrap().clone()
    }

    /// The newest job in a repository.
    pub fn job(&self, name: &str) -> Value {
        let full = format!("acme/{name}");
        let found = self.jobs().into_iter().rfind(|job| job["repository"] == full.as_str());
        found.unwrap_or_else(|| panic!("no job in {full}"))
    }

    /// Waits until the newest job in a repository is in a state.
    pub fn reaches(&self, name: &str, state: &str) -> Value {
        eventually(&format!("{name} {state}"), || {
            let job = self.job(name);
            let there = job["state"] == state;
            assert!(there || !is_end(&job), "{name} ended as {job} and was to be {state}");
            there.then_some(job)
        })
    }

    /// Waits until every job has ended.
    pub fn ends(&self) -> Vec<Value> {
        eventually("the end of every job", || {
            let jobs = self.jobs();
            jobs.iter().all(is_end).then_some(jobs)
        })
    }

    /// Everything that the daemon and the commands have said so far, logs included.
    pub fn everything_said(&self) -> String {
        let log = fs::read_to_string(self.path("daemon.log")).unwrap_or_default();
        format!("{}{log}", self.said.lock().unwrap())
    }
}

impl Drop for Stage {
    /// A test that fails shows where the jobs were.
    fn drop(&mut self) {
        if std::thread::panicking() && self.daemon.as_mut().is_some_and(Process::is_running) {
            println!("{}", self.sluice(&["jobs"]).out);
        }
    }
}

/// True for a job that has ended.
pub fn is_end(job: &Value) -> bool {
    ["succeeded", "rejected", "dead", "cancelled"].iter().any(|state| job["state"] == *state)
}

/// The id of something.
pub fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}
