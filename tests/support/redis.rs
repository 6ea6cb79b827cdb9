//! A Redis (or Valkey) server for tests: in memory only.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    sync::OnceLock,
    time::Duration,
};

use super::guard::{Guard, Recipe, find};

/// A running server; stopped and removed on drop, and when the test process ends.
#[derive(Debug)]
pub struct RedisServer {
    guard: Guard,
}

impl RedisServer {
    pub fn start() -> Self {
        let arguments = |directory: &Path, port: u16| {
            let mut line = vec!["--dir".into(), directory.into(), "--port".into(), port.to_string().into()];
            line.extend(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"].map(Into::into));
            line
        };
        let guard = Guard::start(&Recipe {
            program: find(&["redis-server", "valkey-server"], "redis-server"),
            arguments: &arguments,
            prepare: &|_| {},
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
