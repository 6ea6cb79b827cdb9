//! The demo's two processes, both this very program: the stand-in for GitHub and the daemon. Each writes its log into the
//! demo's folder, and each is ended by its id.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::cli::{
    Shared,
    client::{self, Client},
    endpoint,
    exit::{CliError, Exit},
    words,
};

/// How long a process may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a process may take to end by itself.
const END_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of a log that are shown after a failure.
const LAST_LINES: usize = 15;

/// A running process.
struct Actor {
    name: &'static str,
    child: Child,
}

/// Both processes.
pub struct Cast {
    program: PathBuf,
    folder: PathBuf,
    /// The user's own settings must not reach the demo's daemon.
    hidden: Vec<String>,
    actors: Vec<Actor>,
}

impl Cast {
    pub fn new(folder: &Path, env: &BTreeMap<String, String>) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(|error| {
            CliError::new(Exit::Failure, format!("this program's own file cannot be found: {error}"))
        })?;
        let hidden = env.keys().filter(|name| name.starts_with("SLUICE_")).cloned().collect();
        Ok(Self { program, folder: folder.to_owned(), hidden, actors: Vec::new() })
    }

    /// Starts the stand-in; gives its address.
    pub async fn simulator(&mut self) -> Result<String, CliError> {
        let port_file = self.folder.join("simulator.port");
        self.start(
            "simulate",
            &["--listen", "127.0.0.1:0", "--scenario", "scenario.toml", "--port-file", "simulator.port"],
        )?;
        let start = Instant::now();
        loop {
            if let Ok(address) = fs::read_to_string(&port_file) {
                return Ok(address.trim().to_owned());
            }
            self.wait_a_little(start).await?;
        }
    }

    /// Starts the daemon; gives its address and a connection to it.
    pub async fn daemon(&mut self, token_file: &Path) -> Result<(String, Client), CliError> {
        self.start("serve", &["--config", "sluice.toml"])?;
        let start = Instant::now();
        loop {
            if let Ok(server) = endpoint::written_address(token_file) {
                let shared = Shared {
                    server: Some(server.clone()),
                    token_file: Some(token_file.to_owned()),
                    ..Shared::default()
                };
                let client = client::connect(&shared, &BTreeMap::new())?;
                if client.get(&["v1", "overview"], &[]).await.is_ok() {
                    return Ok((server, client));
                }
            }
            self.wait_a_little(start).await?;
        }
    }

    fn start(&mut self, name: &'static str, arguments: &[&str]) -> Result<(), CliError> {
        let failed = |error: std::io::Error| {
            CliError::new(Exit::Failure, format!("starting `sluice {name}` failed: {error}"))
        };
        let log = fs::File::create(self.log(name)).map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.arg(name).args(arguments).current_dir(&self.folder).kill_on_drop(true);
        for variable in &self.hidden {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(failed)?;
        self.actors.push(Actor { name, child });
        Ok(())
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    async fn wait_a_little(&mut self, start: Instant) -> Result<(), CliError> {
        self.all_alive()?;
        if start.elapsed() > READY_WITHIN {
            let what = format!("the demo's processes do not answer within {} s", READY_WITHIN.as_secs());
            return Err(CliError::new(Exit::Failure, what));
        }
        sleep(LOOK_EVERY).await;
        Ok(())
    }

    /// Err names the process that ended too early.
    pub fn all_alive(&mut self) -> Result<(), CliError> {
        for actor in &mut self.actors {
            if let Ok(Some(status)) = actor.child.try_wait() {
                let what = format!("`sluice {}` ended too early ({status})", actor.name);
                return Err(CliError::new(Exit::Failure, what));
            }
        }
        Ok(())
    }

    /// The ends of the logs, to be told after a failure.
    pub fn last_words(&self) -> String {
        let mut said = Vec::new();
        for actor in &self.actors {
            let log = fs::read_to_string(self.log(actor.name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
            said.extend(last.iter().map(|line| format!("\n  {}: {}", actor.name, words::clean(line))));
        }
        said.concat()
    }

    /// Ends both, the daemon first, so that it can finish what it does.
    pub async fn end(&mut self) {
        while let Some(mut actor) = self.actors.pop() {
            if let Some(id) = actor.child.id() {
                terminate(id).await;
            }
            if timeout(END_WITHIN, actor.child.wait()).await.is_err() {
                // It does not listen; what it holds is in the demo's own folder.
                actor.child.kill().await.ok();
            }
        }
    }
}

/// Asks a process to end. The shell's own `kill` needs no further package and no unsafe code.
async fn terminate(id: u32) {
    let mut kill = Command::new("sh");
    kill.arg("-c").arg("kill -TERM \"$0\"").arg(id.to_string());
    kill.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // A process that has ended meanwhile cannot be asked, and need not be.
    kill.status().await.ok();
}
