//! A daemon of canned answers that remembers what it was asked.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use crate::program::{Left, left, sluice};

pub const TOKEN: &str = "canned-token-0123456789";

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Method and target.
    pub line: String,
    /// In lower case, `name: value`.
    pub headers: Vec<String>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|header| header.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Answers every request that begins with `GET /v1/jobs` and so on with what it was given; 404 otherwise.
pub struct Daemon {
    address: String,
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Beginning of the request line, status, body.
pub type Canned = (&'static str, u16, String);

impl Daemon {
    pub fn start(canned: Vec<Canned>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        // Ends with the process; every answer closes its connection.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &canned, &log);
            }
        });
        Self { address, folder, asked }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sluice(arguments, self.folder.path());
        command.args(["--server", &self.address, "--token-file", "token"]);
        command
    }

    /// Named by variables instead of flags.
    pub fn run_by_variables(&self, arguments: &[&str]) -> Left {
        let mut command = sluice(arguments, self.folder.path());
        command.env("SLUICE_SERVER", &self.address).env("SLUICE_TOKEN_FILE", "token");
        left(command.output().unwrap())
    }

    pub fn run(&self, arguments: &[&str]) -> Left {
        left(self.command(arguments).output().unwrap())
    }

    /// A file that commands can name.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The last request.
    pub fn last(&self) -> Asked {
        self.asked().pop().unwrap()
    }
}

fn answer(stream: TcpStream, canned: &[Canned], log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let Some(asked) = read(&mut reader) else { return };
    let found = canned.iter().find(|(begins, ..)| asked.line.starts_with(begins));
    log.lock().unwrap().push(asked);
    let nothing = (404, r#"{"title":"there is nothing at this path","status":404}"#.to_owned());
    let (status, body) = found.map_or(nothing, |(_, status, body)| (*status, body.clone()));
    let head = format!(
        "HTTP/1.1 {status} X\r\ndate: Fri, 20 Nov 2026 10:03:20 GMT\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).unwrap();
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut asked = Asked::default();
    reader.read_line(&mut asked.line).ok().filter(|length| *length > 0)?;
    asked.line = asked.line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end();
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ")?;
        asked.headers.push(format!("{}: {value}", name.to_ascii_lowercase()));
    }
    let length: usize = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Some(asked)
}

/// A job that waits for a slot, as the interface describes one.
pub fn job(state: &str) -> String {
    let ended = matches!(state, "succeeded" | "dead");
    let wait = serde_json::json!({
        "reason": "budget", "text": "slots/global: 3 of 3 in use, 1 needed", "since": 1_795_168_800_000_i64,
        "clears_at": null,
    });
    serde_json::json!({
        "id": "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11", "request": "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a22",
        "template": "dependency-upgrade@1", "repository": "acme/api", "state": state,
        "state_since": 1_795_168_800_000_i64, "created_at": 1_795_168_800_000_i64, "position": 1, "attempts": 1,
        "reviewer": "ana", "pull_number": null, "pull_url": null, "task_url": null, "model": null,
        "replay_of": null, "discarded": false,
        "wait": if ended { serde_json::Value::Null } else { wait },
        "outcome": (state == "dead").then(|| serde_json::json!({
            "event": "gave_up", "advice": "split it",
            "failure": {"class": "timed_out", "message": "ran out of \u{1b}[2Jtime"},
        })),
    })
    .to_string()
}
