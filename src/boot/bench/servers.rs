//! Servers of the benchmarks' own, each in a temporary folder and on a free port. They end with the benchmark, also when it
//! is killed, as far as the system can be told so.

use std::{
    ffi::OsString,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context as _;
use tokio::process::{Child, Command};

use crate::{boot::bench::submit::Folder, config};

/// How long a server may take to answer.
const READY_TRIES_MAX: u32 = 500;
const READY_PAUSE: Duration = Duration::from_millis(20);

/// A server that runs until this is dropped.
pub struct Server {
    pub url: String,
    /// Before the folder: what runs there ends first.
    _process: Child,
    _folder: Folder,
}

/// Redis without persistence.
pub async fn redis() -> anyhow::Result<Server> {
    let program = find("redis-server").or_else(|_| find("valkey-server"))?;
    let folder = own_folder()?;
    let port = free_port()?;
    let mut line: Vec<OsString> = vec!["--dir".into(), folder.0.clone().into()];
    let settings =
        ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"];
    line.extend(["--port".into(), port.to_string().into()]);
    line.extend(settings.map(Into::into));
    let process = start(&program, &line)?;
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/"))?;
    for _ in 0..READY_TRIES_MAX {
        if client.get_multiplexed_async_connection().await.is_ok() {
            return Ok(Server {
                url: format!("redis://127.0.0.1:{port}/"),
                _process: process,
                _folder: folder,
            });
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    anyhow::bail!("{} does not answer on port {port}", program.display())
}

/// PostgreSQL as it is installed, durable: every commit waits for the disk.
pub async fn postgres() -> anyhow::Result<Server> {
    let (postgres, initdb, ready) = (find("postgres")?, find("initdb")?, find("pg_isready")?);
    let folder = own_folder()?;
    let data = folder.0.join("data");
    let line: Vec<OsString> = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D"]
        .map(Into::into)
        .into_iter()
        .chain([data.clone().into()])
        .collect();
    let made = unprivileged(&initdb, &line).current_dir(&folder.0).output().await?;
    anyhow::ensure!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    let port = free_port()?;
    let mut line: Vec<OsString> = vec!["-D".into(), data.into(), "-p".into(), port.to_string().into()];
    line.extend(["-h", "127.0.0.1", "-c", "unix_socket_directories="].map(Into::into));
    let process = start(&postgres, &line)?;
    for _ in 0..READY_TRIES_MAX {
        let asked =
            Command::new(&ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status().await?;
        if asked.success() {
            let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
            return Ok(Server { url, _process: process, _folder: folder });
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    anyhow::bail!("{} does not answer on port {port}", postgres.display())
}

/// What the program calls its version; None: it is not installed.
pub fn version(program: &str) -> Option<String> {
    let output = std::process::Command::new(find(program).ok()?).arg("--version").output().ok()?;
    let told = String::from_utf8_lossy(&output.stdout);
    let number = |word: &&str| word.trim_start_matches("v=").starts_with(|c: char| c.is_ascii_digit());
    told.split_whitespace().find(number).map(|word| word.trim_start_matches("v=").to_owned())
}

fn start(program: &Path, line: &[OsString]) -> anyhow::Result<Child> {
    let mut command = unprivileged(program, line);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("starting {}", program.display()))
}

/// Somebody who is not root, since PostgreSQL refuses to be; and the end of this process is told to the server.
fn unprivileged(program: &Path, line: &[OsString]) -> Command {
    let Ok(setpriv) = find("setpriv") else {
        let mut command = Command::new(program);
        command.args(line);
        return command;
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL"]);
    if let Some((user, group)) = other_user() {
        command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
    }
    command.arg(program).args(line);
    command
}

fn own_folder() -> anyhow::Result<Folder> {
    let folder = Folder::new()?;
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(&folder.0, Some(user), Some(group))?;
    }
    Ok(folder)
}

/// Ids of the user to change to; None when we are not root.
fn other_user() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    if uid.split_whitespace().nth(1) != Some("0") {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres").or_else(|| ids("nobody"))
}

/// In the folders of the PostgreSQL packages, the newest first, or on the path.
fn find(program: &str) -> anyhow::Result<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.sort();
    folders.reverse();
    let path = config::environment().remove("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|place| place.is_file());
    found.with_context(|| {
        format!("`{program}` is not installed, and this benchmark starts its own: install redis-server and postgresql")
    })
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0)).context("no free port")?.local_addr()?.port())
}
