//! A PostgreSQL server for tests. It trusts everyone on the loopback interface and does not wait for the
//! disk, so it must hold nothing that matters.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::guard::{Guard, Recipe, find, unprivileged};

const PACKAGE: &str = "postgresql";

/// A running server; stopped and removed on drop, and when the test process ends.
#[derive(Debug)]
pub struct Postgres {
    guard: Guard,
    databases: AtomicU32,
}

impl Postgres {
    pub fn start() -> Self {
        let arguments = |directory: &Path, port: u16| {
            let data = directory.join("data").into_os_string();
            let mut line = vec!["-D".into(), data, "-p".into(), port.to_string().into()];
            line.extend(["-h", "127.0.0.1", "-c", "unix_socket_directories="].map(Into::into));
            for setting in
                ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200"]
            {
                line.extend(["-c".into(), setting.into()]);
            }
            line
        };
        let guard = Guard::start(&Recipe {
            program: program("postgres"),
            arguments: &arguments,
            prepare: &initialise,
            ready: &|port| client("pg_isready", port).arg("-q").status().unwrap().success(),
            stop: "QUIT",
        });
        Self { guard, databases: AtomicU32::new(0) }
    }

    /// One server for the whole test program, started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes an empty database and returns its URL.
    pub fn database(&self) -> String {
        let name = format!("sluice_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut command = client("createdb", self.guard.port);
        succeed("createdb", &command.args(["-U", "postgres", &name]).output().unwrap());
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.guard.port)
    }

    pub fn port(&self) -> u16 {
        self.guard.port
    }
}

fn program(name: &str) -> PathBuf {
    find(&[name], PACKAGE)
}

fn client(name: &str, port: u16) -> Command {
    let mut command = Command::new(program(name));
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    command
}

fn initialise(directory: &Path) {
    let line = unprivileged(&program("initdb"));
    let mut words = line.iter();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg("-D").arg(directory.join("data")).current_dir(directory);
    command.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
    succeed("initdb", &command.output().unwrap());
}

fn succeed(what: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what} failed: {said}");
}
