//! Letters to a real mail server (aiosmtpd, in a virtual environment of its own below the target folder).

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
};

use serde_json::{Value, json};
use sluicegate::{
    clock::ManualClock,
    job::time::{Millis, Timestamp},
    notify::{Email, EmailSink, Outgoing, Sink, SinkError, SinkErrorKind, email::Tls},
};
use tempfile::TempDir;

const VERSION: &str = "1.4.6";

/// Its interpreter; made at the first use.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools");
        let home = tools.join(format!("aiosmtpd-{VERSION}"));
        let (python, ready) = (home.join("bin/python"), home.join("ready"));
        if !ready.exists() {
            fs::create_dir_all(&tools).unwrap();
            run(Command::new("python3").args(["-m", "venv"]).arg(&home), "apt-get install python3-venv");
            let package = format!("aiosmtpd=={VERSION}");
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &package];
            run(Command::new(&python).args(pip), "it comes from PyPI");
            fs::write(ready, "").unwrap();
        }
        python
    })
}

fn run(command: &mut Command, advice: &str) {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success(),
        "{command:?} failed, without which mail cannot be tested ({advice}): {said}"
    );
}

/// A running server with what it took. It ends with the pipe to it.
struct Server {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// `options` over those of a server that encrypts nothing and knows nobody.
    fn start(options: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (certificate, key) = (folder.path().join("certificate"), folder.path().join("key"));
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut all = json!({ "tls": "none", "certificate": certificate, "key": key });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/mail_server.py");
        let mut command = Command::new(python());
        command.arg(script).arg(folder.path()).arg(all.to_string());
        // It complains of clients that hang up, which is what some of them are here for.
        let log = folder.path().join("log");
        command.stderr(fs::File::create(&log).unwrap());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().unwrap_or_else(|_| panic!("{}", fs::read_to_string(&log).unwrap()));
        Self { process, port, folder }
    }

    fn email(&self) -> Email {
        Email {
            name: "mail-oncall".into(),
            host: "127.0.0.1".into(),
            port: self.port,
            tls: Tls::None,
            ca: Some(fs::read(self.folder.path().join("certificate")).unwrap()),
            from: "Sluicegate <sluicegate@example.org>".into(),
            to: vec!["oncall@example.org".into(), "Ana <ana@example.org>".into()],
            login: None,
            timeout: Millis::seconds(10),
            allow_private: vec!["127.0.0.0/8".parse().unwrap()],
        }
    }

    /// What it took, the oldest first.
    fn letters(&self) -> Vec<Value> {
        let file = |number| fs::read(self.folder.path().join(format!("{number}.json"))).ok();
        (1..).map_while(file).map(|letter| serde_json::from_slice(&letter).unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}

fn notice() -> Outgoing {
    Outgoing {
        id: "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11".into(),
        kind: "job.dead".into(),
        occurred_at: Timestamp::parse("2026-11-20T10:00:00.5Z").unwrap(),
        subject: "0193d6f0-0000-7000-8000-000000000001".into(),
        data: json!({
            "job": "0193d6f0-0000-7000-8000-000000000001", "repository": "acme/api", "owner": "ana",
            "failure": { "class": "work", "message": "tests failed\r\nBcc: everybody@example.org\n.\nQUIT" },
        }),
        pull: None,
    }
}

fn sink(email: Email) -> EmailSink {
    let clock = Arc::new(ManualClock::new(Timestamp::parse("2026-11-20T10:00:01Z").unwrap()));
    EmailSink::new(email, clock).unwrap()
}

async fn failure(email: Email) -> (SinkErrorKind, &'static str, SinkError) {
    let error = sink(email).deliver(&notice()).await.unwrap_err();
    (error.kind, error.reason.as_str(), error)
}

#[tokio::test]
async fn a_notice_arrives_as_a_letter_with_the_same_name_at_each_try() {
    let server = Server::start(&json!({}));
    let sink = sink(server.email());
    assert!(sink.examine().await.unwrap().ends_with("answers in plain text"));
    for _ in 0..2 {
        assert_eq!(sink.deliver(&notice()).await, Ok(None));
    }
    let letters = server.letters();
    assert_eq!(letters.len(), 2);
    for letter in letters {
        assert_eq!(letter["from"], "sluicegate@example.org");
        assert_eq!(letter["to"], json!(["oncall@example.org", "ana@example.org"]));
        let (headers, body) = letter["content"].as_str().unwrap().split_once("\r\n\r\n").unwrap();
        for header in [
            "Subject: [sluicegate] A job was given up: acme/api",
            "Message-ID: <0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11@example.org>",
            "Date: Fri, 20 Nov 2026 10:00:01 +0000",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(headers.contains(header), "{header}: {headers}");
        }
        // What others wrote begins no header and ends no letter.
        assert!(!headers.contains("Bcc"), "{headers}");
        assert!(body.contains("tests failed") && body.contains("| QUIT"), "{body}");
        assert!(body.contains("sluice dead show") && body.contains("Owner: ana"), "{body}");
    }
}

#[tokio::test]
async fn a_letter_travels_encrypted_and_with_a_password_where_that_is_asked_for() {
    let login = |password: &str| Some(("sluice".to_owned(), password.into()));
    for (word, tls) in [("starttls", Tls::Starttls), ("implicit", Tls::Implicit)] {
        let server = Server::start(&json!({ "tls": word, "user": "sluice", "password": "hunter2" }));
        let email = || Email { tls, login: login("hunter2"), ..server.email() };
        assert!(sink(email()).examine().await.unwrap().ends_with("answers with TLS"), "{word}");
        sink(email()).deliver(&notice()).await.unwrap();
        let letters = server.letters();
        assert_eq!(
            (letters.len(), &letters[0]["tls"], &letters[0]["authenticated"]),
            (1, &json!(true), &json!(true))
        );

        let wrong = Email { login: login("planted"), ..email() };
        let (kind, reason, error) = failure(wrong).await;
        assert_eq!((kind, reason), (SinkErrorKind::Permanent, "unauthorised"), "{error}");
        assert!(!error.message.contains("planted"), "{error}");

        let stranger = Email { ca: None, ..email() };
        let (kind, reason, error) = failure(stranger).await;
        assert_eq!((kind, reason), (SinkErrorKind::Transient, "tls"), "{error}");
        assert_eq!(server.letters().len(), 1, "nothing is sent to a server that is not who it says");
    }
}

#[tokio::test]
async fn without_the_encryption_that_was_asked_for_nothing_is_sent() {
    let server = Server::start(&json!({}));
    let (kind, reason, error) = failure(Email { tls: Tls::Starttls, ..server.email() }).await;
    assert_eq!((kind, reason), (SinkErrorKind::Transient, "tls"));
    assert!(error.message.contains("does not offer STARTTLS"), "{error}");
    assert!(server.letters().is_empty());
}

#[tokio::test]
async fn a_refused_recipient_is_permanent_and_trouble_is_transient() {
    let server = Server::start(&json!({}));
    let to = |address: &str| Email { to: vec!["ana@example.org".into(), address.into()], ..server.email() };
    let (kind, reason, error) = failure(to("nobody@example.org")).await;
    assert_eq!((kind, reason), (SinkErrorKind::Permanent, "unknown-recipient"));
    assert!(error.message.contains("no such mailbox") && error.message.contains(&notice().id), "{error}");
    let (kind, reason, _) = failure(to("busy@example.org")).await;
    assert_eq!((kind, reason), (SinkErrorKind::Transient, "server-error"));
    assert!(server.letters().is_empty(), "a letter goes to all of them or to nobody");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (kind, reason, error) = failure(Email { port, ..server.email() }).await;
    assert_eq!((kind, reason), (SinkErrorKind::Transient, "unreachable"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(&json!({}));
    let port = silent.local_addr().unwrap().port();
    let (kind, reason, error) = failure(Email { port, timeout: Millis(200), ..server.email() }).await;
    assert_eq!((kind, reason), (SinkErrorKind::Transient, "timeout"), "{error}");
}

#[tokio::test]
async fn a_mail_server_in_a_network_that_is_not_public_is_not_connected_to() {
    let server = Server::start(&json!({}));
    let closed = |host: &str| Email { host: host.into(), allow_private: Vec::new(), ..server.email() };
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let told = EmailSink::new(closed("127.0.0.1"), clock).err().unwrap().to_string();
    assert!(told.contains("allow_private"), "{told}");
    // Resolvers take this for an address, its form does not show it.
    let (kind, reason, error) = failure(closed("127.1")).await;
    assert_eq!((kind, reason), (SinkErrorKind::Transient, "private-address"), "{error}");
    assert!(server.letters().is_empty());
}
