//! One process of the fleet, with links of its own to everything that it talks to.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use serde_json::Value;

use crate::{
    plan::{Database, Places, Plan},
    stage::{HOOK_SECRET, Process, eventually, process::SLUICE, wire},
    support::{Link, Weather},
};

/// A daemon or a worker, running or not.
pub struct Member {
    pub name: String,
    /// None: it has its gate in memory.
    pub redis: Option<Link>,
    /// Leads nowhere if the ledger is a file.
    pub sql: Link,
    pub github: Link,
    /// What its next life runs.
    pub program: PathBuf,
    command: Command,
    /// With commas between; all if none is named.
    roles: &'static str,
    process: Option<Process>,
    /// Each life has a log of its own.
    lives: u32,
}

/// How it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Serve,
    Work,
}

/// The ports of the servers.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub redis: Option<u16>,
    pub sql: u16,
    pub github: u16,
}

impl Member {
    /// Its links and its configuration; it is not started.
    pub fn new(
        (name, command, roles): (&str, Command, &'static str),
        plan: &Plan,
        ports: Ports,
        database: &Database,
        folder: &Path,
    ) -> Self {
        let (sql, github) = (Link::to(ports.sql), Link::to(ports.github));
        let (name, redis) = (name.to_owned(), ports.redis.map(Link::to));
        let program = SLUICE.into();
        let member = Self { name, redis, sql, github, program, command, roles, process: None, lives: 0 };
        member.configure(plan, database, folder);
        member
    }

    /// Writes its configuration.
    pub fn configure(&self, plan: &Plan, database: &Database, folder: &Path) {
        let places = Places {
            name: self.name.clone(),
            ledger: database.url(self.sql.port()),
            redis: self.redis.as_ref().map(Link::port),
            github: self.github.port(),
        };
        fs::write(folder.join(format!("{}.toml", self.name)), plan.configuration(&places)).unwrap();
    }

    /// Starts it and does not wait.
    pub fn begin(&mut self, folder: &Path, env: &[(&str, &str)]) {
        drop(fs::remove_file(self.address_file(folder)));
        let config = format!("{}.toml", self.name);
        let mut line = match self.command {
            Command::Work => vec!["work", "--config", &config],
            Command::Serve => vec!["serve", "--config", &config],
        };
        if self.command == Command::Work {
            for role in self.roles.split(',').filter(|role| !role.is_empty()) {
                line.extend(["--role", role]);
            }
        }
        let line: Vec<String> = line.into_iter().map(str::to_owned).collect();
        // A daemon has no flag for it.
        let roles: Vec<String> = self.roles.split(',').map(|role| format!("{role:?}")).collect();
        let roles = format!("[{}]", roles.join(","));
        let own = (self.command == Command::Serve && !self.roles.is_empty())
            .then_some(("SLUICE_WORKER__ROLES", roles.as_str()));
        let env = [env, own.as_slice()].concat();
        let env = [&[("SLUICE_TEST_HOOK", HOOK_SECRET), ("HOSTNAME", self.name.as_str())], &env[..]].concat();
        self.lives += 1;
        let log = format!("{}-{}", self.name, self.lives);
        self.process = Some(Process::start_other(&self.program, &log, folder, &line, &env));
    }

    /// Waits until it says that it is ready; false if it ended before.
    pub fn is_ready(&mut self) -> bool {
        let name = self.name.clone();
        let process = self.process();
        eventually(&format!("{name} is ready"), || {
            if !process.is_running() {
                return Some(false);
            }
            process.log().contains(" ready ").then_some(true)
        })
    }

    /// Whether this life has said that it is ready.
    pub fn was_ready(&mut self) -> bool {
        self.process().log().contains(" ready ")
    }

    pub fn process(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was not started")
    }

    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// True if it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| !process.is_running())
    }

    /// SIGKILL, and nothing of it is left.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it was not started");
        process.signal("TERM");
        process.wait()
    }

    /// Waits for its own end.
    pub fn end(&mut self) -> ExitStatus {
        self.process.take().expect("it was not started").wait()
    }

    /// The same weather on every link.
    pub fn weather(&self, weather: Weather) {
        for link in [Some(&self.sql), Some(&self.github), self.redis.as_ref()].into_iter().flatten() {
            link.set(weather);
        }
    }

    fn address_file(&self, folder: &Path) -> std::path::PathBuf {
        folder.join(format!("{}.url", self.name))
    }

    /// One exchange with its endpoint; None: it does not answer.
    pub fn exchange(&self, folder: &Path, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
        let address = fs::read_to_string(self.address_file(folder)).ok()?;
        let token = fs::read_to_string(folder.join(format!("{}.token", self.name))).ok()?;
        let bearer = format!("Bearer {}", token.trim());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let (status, answer) = wire::exchange(address.trim(), method, path, &headers, body.as_bytes())?;
        Some((status, serde_json::from_str(&answer).unwrap_or_default()))
    }
}
