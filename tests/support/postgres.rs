//! A PostgreSQL server for tests. It trusts everyone on the loopback interface and does not wait for the
//! disk, so it must hold nothing that matters.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::guard::{Guard, Recipe, find, unprivileged};

const PACKAGE: &str = "postgresql";

/// A running server; stopped and removed on drop, and when the test process ends.
#[derive(Debug)]
pub struct Postgres {
    /// None while it is stopped.
    guard: Mutex<Option<Guard>>,
    /// Where the data is, if it must outlive the server.
    home: Option<Guard>,
    databases: AtomicU32,
}

impl Postgres {
    pub fn start() -> Self {
        Self { guard: Mutex::new(Some(serve(None))), home: None, databases: AtomicU32::new(0) }
    }

    /// A server that can be stopped and started again with what it had committed.
    pub fn restartable() -> Self {
        let home = Guard::home(&initialise);
        let server = serve(Some(&home.directory));
        Self { guard: Mutex::new(Some(server)), home: Some(home), databases: AtomicU32::new(0) }
    }

    /// One server for the whole test program, started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes an empty database and returns its URL.
    pub fn database(&self) -> String {
        let name = self.new_database();
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port())
    }

    /// Makes an empty database and returns its name.
    pub fn new_database(&self) -> String {
        let name = format!("sluice_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut command = client("createdb", self.port());
        succeed("createdb", &command.args(["-U", "postgres", &name]).output().unwrap());
        name
    }

    pub fn port(&self) -> u16 {
        self.guard.lock().unwrap().as_ref().expect("it was stopped").port
    }

    /// An immediate end: connections are cut, nothing is tidied up.
    pub fn stop(&self) {
        drop(self.guard.lock().unwrap().take());
    }

    /// Another life with the same data, on another port, which it returns.
    pub fn start_again(&self) -> u16 {
        let home = self.home.as_ref().expect("its data went with it");
        let server = serve(Some(&home.directory));
        let port = server.port;
        *self.guard.lock().unwrap() = Some(server);
        port
    }
}

/// A server whose data is in its own directory, or in one that was made before. What such a one has committed must survive
/// its immediate end, though not that of the machine.
fn serve(home: Option<&Path>) -> Guard {
    let commit = if home.is_some() { "synchronous_commit=on" } else { "synchronous_commit=off" };
    let arguments = |directory: &Path, port: u16| {
        let data = home.unwrap_or(directory).join("data").into_os_string();
        let mut line = vec!["-D".into(), data, "-p".into(), port.to_string().into()];
        line.extend(["-h", "127.0.0.1", "-c", "unix_socket_directories="].map(Into::into));
        for setting in ["fsync=off", commit, "full_page_writes=off", "max_connections=200"] {
            line.extend(["-c".into(), setting.into()]);
        }
        line
    };
    Guard::start(&Recipe {
        program: program("postgres"),
        arguments: &arguments,
        prepare: &|directory| {
            if home.is_none() {
                initialise(directory);
            }
        },
        ready: &|port| client("pg_isready", port).arg("-q").status().unwrap().success(),
        stop: "QUIT",
    })
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
