//! A Redis (or Valkey) server for tests: in memory only.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use redis::{Connection, FromRedisValue};

use super::guard::{Guard, Recipe, find};

/// What it keeps of itself when it is told to.
const DUMP: &str = "dump.rdb";
/// Nobody waits longer for an answer of a server on this machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The server that whoever runs the tests names, else the one that is installed.
#[expect(clippy::disallowed_methods, reason = "which server is tried is for whoever runs the tests")]
pub fn program() -> PathBuf {
    let named = std::env::var_os("SLUICE_TEST_REDIS_SERVER");
    named.map_or_else(|| find(&["redis-server", "valkey-server"], "redis-server"), PathBuf::from)
}

/// A running server; stopped and removed on drop, and when the test process ends.
#[derive(Debug)]
pub struct RedisServer {
    guard: Guard,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::serve(None, &[])
    }

    /// A server with these arguments besides.
    pub fn with(arguments: &[&str]) -> Self {
        Self::serve(None, arguments)
    }

    /// A server that begins with what another one had in memory when its dump was taken.
    pub fn restored(dump: &[u8]) -> Self {
        Self::serve(Some(dump), &[])
    }

    fn serve(dump: Option<&[u8]>, more: &[&str]) -> Self {
        let arguments = |directory: &Path, port: u16| {
            let mut line = vec!["--dir".into(), directory.into(), "--port".into(), port.to_string().into()];
            line.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(Into::into));
            line.extend(more.iter().map(Into::into));
            line
        };
        let guard = Guard::start(&Recipe {
            program: program(),
            arguments: &arguments,
            prepare: &|directory| {
                if let Some(dump) = dump {
                    fs::write(directory.join(DUMP), dump).unwrap();
                }
            },
            ready: &|port| ping(port).is_some(),
            stop: "KILL",
        });
        Self { guard }
    }

    /// One server for the whole test program, started by whoever asks first.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.guard.port)
    }

    pub fn port(&self) -> u16 {
        self.guard.port
    }

    /// A connection of the test's own, past every link.
    pub fn connection(&self) -> Connection {
        let connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        connection
    }

    /// Says one command, which must succeed.
    pub fn ask<T: FromRedisValue>(&self, line: &[&str]) -> T {
        let mut words = line.iter();
        let mut command = redis::cmd(words.next().expect("a command"));
        command.arg(words.collect::<Vec<_>>());
        let answer = command.query(&mut self.connection());
        answer.unwrap_or_else(|error| panic!("{line:?}: {error}"))
    }

    /// Everything that it has in memory now.
    pub fn dump(&self) -> Vec<u8> {
        self.ask::<()>(&["SAVE"]);
        fs::read(self.guard.directory.join(DUMP)).unwrap()
    }

    /// The name of every key, sorted.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask(&["KEYS", "*"]);
        keys.sort();
        keys
    }
}

/// Some once the server answers a PING.
fn ping(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).ok()?;
    (&answer == b"+PONG").then_some(())
}
