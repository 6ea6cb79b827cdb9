//! What only a socket can show: refused, cut and silent connections.

use std::sync::Arc;

use sluicegate::{
    agent::{
        Agent, AgentError, FailKind,
        github::{GitHub, GitHubOptions},
    },
    clock::{Clock, ManualClock},
    job::remote::{Task, TaskId},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{scripted::*, start::order};

fn client(listener: &TcpListener, request_timeout_ms: u64) -> GitHub {
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let clock: Arc<dyn Clock> = Arc::new(Jumping(ManualClock::new(NOW)));
    GitHub::new(GitHubOptions { base_url, request_timeout_ms, ..options() }, clock).unwrap()
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Reads one request: its head, and a body of the length that it names.
async fn request(socket: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let n = socket.read(&mut buffer).await.unwrap();
        text.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let named = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= named.map_or(0, |n| n.parse().unwrap()) {
            return text;
        }
    }
}

/// Starts a task at a server that reads the request, sends `bytes` and hangs up.
async fn start_at_server_that_sends(bytes: String) -> (Result<Task, AgentError>, String) {
    let listener = listen().await;
    let github = client(&listener, 5_000);
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let asked = request(&mut socket).await;
        socket.write_all(bytes.as_bytes()).await.unwrap();
        asked
    });
    let result = github.start("bot", &order()).await;
    (result, server.await.unwrap())
}

fn created() -> String {
    let body = fixture("task_created");
    format!(
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn a_start_travels_over_http_and_its_answer_is_read() {
    let (result, asked) = start_at_server_that_sends(created()).await;
    assert_eq!(result.unwrap().id.0, "a1b2c3d4-e5f6-7890-abcd-ef1234567890");
    assert!(asked.starts_with("POST /agents/repos/acme/api/tasks HTTP/1.1\r\n"), "{asked}");
    assert!(
        asked.contains(&format!("authorization: Bearer {TOKEN}\r\n"))
            && asked.contains("\r\nhost: 127.0.0.1")
    );
}

#[tokio::test]
async fn a_connection_cut_before_or_inside_the_answer_is_ambiguous() {
    let whole = created();
    for cut in [0, 10, whole.len() / 2, whole.len() - 1] {
        let (result, _) = start_at_server_that_sends(whole[..cut].to_owned()).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind, FailKind::Ambiguous, "cut after {cut} bytes: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = listen().await;
    let github = client(&listener, 5_000);
    drop(listener);
    let error = github.start("bot", &order()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Unreachable, "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_falls_silent_is_ambiguous() {
    let listener = listen().await;
    let github = client(&listener, 200);
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        // Held open until the client hangs up.
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await
    });
    let error = github.start("bot", &order()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Ambiguous, "{error}");
    drop(github);
    drop(server.await.unwrap());
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let listener = listen().await;
    let github = client(&listener, 30_000);
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        socket.write_all(b"HTTP/1.1 201 Created\r\nconnection: close\r\n\r\n").await.unwrap();
        let chunk = vec![b' '; 64 * 1_024];
        while socket.write_all(&chunk).await.is_ok() {}
    });
    let error = github.start("bot", &order()).await.unwrap_err();
    assert_eq!(error.kind, FailKind::Ambiguous);
    assert!(error.to_string().contains("longer than"), "{error}");
    server.await.unwrap();
}

#[tokio::test]
async fn a_read_survives_one_cut_connection() {
    let listener = listen().await;
    let github = client(&listener, 5_000);
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        drop(socket);
        let (mut socket, _) = listener.accept().await.unwrap();
        request(&mut socket).await;
        let body = fixture("task");
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    });
    github.observe("bot", &TaskId("t-1".to_owned())).await.unwrap();
    server.await.unwrap();
}
