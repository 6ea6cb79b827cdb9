//! Runs one server under a small shell that stops it when our end of a pipe closes. The pipe closes when
//! the guard is dropped and when the test process dies, also by SIGKILL, so nothing is left running.

use std::{
    ffi::OsString,
    fs,
    io::ErrorKind,
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// How long a server may take to answer: generous, since other builds may share the machine.
const READY_TRIES_MAX: u32 = 3_000;
const READY_PAUSE: Duration = Duration::from_millis(20);
/// Another process may take the free port between our look and the server's start.
const START_TRIES_MAX: u32 = 5;

/// `$1` is the directory to remove, the rest is the server's command line. The reader gets the pipe as
/// descriptor 3, since a background command's own input is /dev/null.
const WATCH: &str = r#"
directory=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -s "$SERVER_STOP" "$server"; } 2>/dev/null &
watcher=$!
wait "$server"
kill "$watcher" 2>/dev/null
# A server of another guard may still be writing into it.
for _ in 1 2 3 4 5; do rm -rf "$directory" 2>/dev/null && break; sleep 0.2; done
"#;

/// A running server and its directory.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
    pub port: u16,
    /// What it works in.
    pub directory: PathBuf,
}

/// What a server needs to be told.
pub struct Recipe<'a> {
    pub program: PathBuf,
    /// Made from the directory and the port.
    pub arguments: &'a dyn Fn(&Path, u16) -> Vec<OsString>,
    /// Fills the directory before the start.
    pub prepare: &'a dyn Fn(&Path),
    /// True once the server answers.
    pub ready: &'a dyn Fn(u16) -> bool,
    /// The signal that ends it at once.
    pub stop: &'a str,
}

impl Guard {
    pub fn start(recipe: &Recipe<'_>) -> Self {
        for _ in 0..START_TRIES_MAX {
            if let Some(guard) = Self::try_start(recipe) {
                return guard;
            }
        }
        panic!("{} ended {START_TRIES_MAX} times before it answered", recipe.program.display())
    }

    /// A directory of the servers' user that outlives each single server, but not this process.
    pub fn home(prepare: &dyn Fn(&Path)) -> Self {
        Self::start(&Recipe {
            program: find(&["sleep"], "coreutils"),
            arguments: &|_, _| vec!["infinity".into()],
            prepare,
            ready: &|_| true,
            stop: "KILL",
        })
    }

    fn try_start(recipe: &Recipe<'_>) -> Option<Self> {
        let directory = directory();
        (recipe.prepare)(directory.path());
        let port = free_port();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sluicegate-test-server"]).arg(directory.path());
        command.args(unprivileged(&recipe.program)).args((recipe.arguments)(directory.path(), port));
        command.env("SERVER_STOP", recipe.stop).stdin(Stdio::piped());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        // Its own group: Ctrl-C ends the tests, and the closing pipe ends the server.
        let shell = command.process_group(0).spawn().unwrap();
        let mut guard = Self { shell, port, directory: directory.path().to_path_buf() };
        for _ in 0..READY_TRIES_MAX {
            // Asked before and after: the answer could come from a stranger who took the port.
            let alive = |guard: &mut Self| guard.shell.try_wait().unwrap().is_none();
            if alive(&mut guard) && (recipe.ready)(port) && alive(&mut guard) {
                // From here on the shell removes it.
                let _kept: PathBuf = directory.keep();
                return Some(guard);
            }
            if !alive(&mut guard) {
                return None;
            }
            thread::sleep(READY_PAUSE);
        }
        let said = fs::read_to_string(directory.path().join("log")).unwrap_or_default();
        panic!("{} does not answer on port {port}:\n{said}", recipe.program.display())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().ok();
    }
}

/// The program in the server packages' own directories or on the path.
pub fn find(names: &[&str], package: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.sort();
    folders.reverse();
    #[expect(clippy::disallowed_methods, reason = "tests look for the servers on the path")]
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    found.into_iter().find(|program| program.is_file()).unwrap_or_else(|| {
        panic!("`{}` is not installed: run `ops/test`, or `apt-get install {package}`", names.join("` or `"))
    })
}

/// The command line that runs `program` as somebody who is not root: PostgreSQL refuses to be root.
pub fn unprivileged(program: &Path) -> Vec<OsString> {
    let mut line: Vec<OsString> = Vec::new();
    if let Some((user, group)) = other_user() {
        line.extend(["setpriv".into(), format!("--reuid={user}").into(), format!("--regid={group}").into()]);
        line.push("--clear-groups".into());
    }
    line.push(program.into());
    line
}

/// A new directory that the server's user owns.
fn directory() -> TempDir {
    let directory = tempfile::Builder::new().prefix("sluicegate-test-").tempdir().unwrap();
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
    }
    directory
}

/// Ids of the user to change to; None when we are not root.
fn other_user() -> Option<(u32, u32)> {
    let own = tempfile::tempfile().unwrap().metadata().unwrap().uid();
    if own != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(
        ids("postgres").or_else(|| ids("nobody")).expect("neither `postgres` nor `nobody` is in /etc/passwd"),
    )
}

fn free_port() -> u16 {
    match TcpListener::bind(("127.0.0.1", 0)) {
        Ok(listener) => listener.local_addr().unwrap().port(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => panic!("no loopback network: {error}"),
        Err(error) => panic!("no free port: {error}"),
    }
}
