//! The webhook sink against a real HTTP listener: what arrives, what each answer means, and what an error tells.
use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header::LOCATION},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use sluicegate::{
    clock::ManualClock,
    job::time::{Millis, Timestamp},
    notify::{LogSink, Outgoing, Sink, SinkErrorKind, SlackSink, Target, WebhookSink, post::TIMEOUT_DEFAULT},
    policy::standard_webhooks::SigningKey,
};
use tokio::net::TcpListener;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<(Uri, HeaderMap, Bytes)>>>);

/// Keeps what comes; the path says how to answer: `/503` with that status, `/silent` never.
async fn receive(State(received): State<Received>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    received.0.lock().unwrap().push((uri.clone(), headers, body));
    match uri.path().trim_start_matches('/') {
        "silent" => std::future::pending().await,
        "word" => (StatusCode::NOT_FOUND, "no_service").into_response(),
        "echo" => (StatusCode::FORBIDDEN, "/T000/B000/secret is unknown").into_response(),
        "307" => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, "/200")]).into_response(),
        status => StatusCode::from_u16(status.parse().unwrap()).unwrap().into_response(),
    }
}

/// A listener on a free port, its address, and what it got.
async fn listener() -> (String, Received) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let received = Received::default();
    let router = Router::new().fallback(receive).with_state(received.clone());
    tokio::spawn(async move { axum::serve(socket, router).await });
    (address, received)
}

fn target(url: &str, timeout: Millis) -> Target {
    let allow_private = vec!["127.0.0.0/8".parse().unwrap()];
    Target { name: "hook".into(), url: url.into(), timeout, allow_private }
}

fn key() -> SigningKey {
    SigningKey::parse(&SECRET.into()).unwrap()
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(Timestamp(1_614_265_330_999)))
}

fn sink(url: &str, timeout: Millis) -> WebhookSink {
    WebhookSink::new(target(url, timeout), key(), clock()).unwrap()
}

fn notice() -> Outgoing {
    Outgoing {
        id: "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11".into(),
        kind: "job.needs_user".into(),
        occurred_at: Timestamp::parse("2026-11-20T10:00:00.5Z").unwrap(),
        subject: "0193d6f0-0000-7000-8000-000000000001".into(),
        data: json!({"repository": "acme/api", "question": "which registry?"}),
        pull: None,
    }
}

#[tokio::test]
async fn a_notice_arrives_as_a_signed_cloud_event() {
    let (address, received) = listener().await;
    sink(&format!("http://{address}/204"), TIMEOUT_DEFAULT).deliver(&notice()).await.unwrap();
    let (_, headers, body) = received.0.lock().unwrap().pop().unwrap();
    let header = |name| headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("content-type"), "application/cloudevents+json");
    assert_eq!(header("webhook-id"), notice().id);
    assert_eq!(header("webhook-timestamp"), "1614265330");
    assert!(key().verify(&notice().id, 1_614_265_330, &body, header("webhook-signature")));
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        event,
        json!({
            "specversion": "1.0",
            "id": notice().id,
            "source": "sluicegate",
            "type": "dev.sluicegate.job.needs_user",
            "time": "2026-11-20T10:00:00.500Z",
            "subject": notice().subject,
            "datacontenttype": "application/json",
            "data": notice().data,
        })
    );
}

#[tokio::test]
async fn a_refusal_is_permanent_and_trouble_is_transient() {
    let (address, _) = listener().await;
    for (status, kind) in [
        (400, SinkErrorKind::Permanent),
        (410, SinkErrorKind::Permanent),
        (408, SinkErrorKind::Transient),
        (429, SinkErrorKind::Transient),
        (503, SinkErrorKind::Transient),
    ] {
        let error = sink(&format!("http://{address}/{status}"), TIMEOUT_DEFAULT)
            .deliver(&notice())
            .await
            .unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
        assert!(
            error.message.contains(&status.to_string()) && error.message.contains(&notice().id),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (address, received) = listener().await;
    let error = sink(&format!("http://{address}/307"), TIMEOUT_DEFAULT).deliver(&notice()).await.unwrap_err();
    assert_eq!(error.kind, SinkErrorKind::Transient);
    let paths: Vec<_> = received.0.lock().unwrap().iter().map(|(uri, ..)| uri.path().to_owned()).collect();
    assert_eq!(paths, ["/307"]);
}

#[tokio::test]
async fn silence_and_absence_are_transient_and_no_error_tells_a_secret() {
    let (address, _) = listener().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = closed.local_addr().unwrap().to_string();
    drop(closed);
    for (address, path) in [(&address, "silent"), (&gone, "200"), (&address, "400")] {
        let url = format!("http://planted-user:planted-password@{address}/{path}?token=planted-token");
        let error = sink(&url, Millis(200)).deliver(&notice()).await.unwrap_err();
        assert_eq!(error.kind == SinkErrorKind::Permanent, path == "400", "{error}");
        let reason = match path {
            "silent" => "timeout",
            "200" => "unreachable",
            _ => "rejected",
        };
        assert_eq!(error.reason.as_str(), reason, "{error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(&format!("http://{address}")), "{text}");
        assert!(!text.contains("planted") && !text.contains("whsec"), "{text}");
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_being_shown() {
    for url in ["planted-secret", "ftp://planted-secret@host/", "http://"] {
        let error = WebhookSink::new(target(url, TIMEOUT_DEFAULT), key(), clock()).err().unwrap();
        assert!(error.to_string().starts_with("read the url of hook: "), "{error}");
        assert!(!error.to_string().contains("planted"), "{error}");
    }
}

#[test]
fn an_address_that_is_not_public_is_refused_however_it_is_written() {
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f.1",
        "2130706433",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "169.254.169.254",
    ] {
        let closed = Target {
            allow_private: Vec::new(),
            ..target(&format!("http://{host}:9/planted"), TIMEOUT_DEFAULT)
        };
        let told = WebhookSink::new(closed, key(), clock()).err().unwrap().to_string();
        assert!(told.contains("nothing was sent") && told.contains("allow_private"), "{host}: {told}");
        assert!(!told.contains("planted"), "{told}");
    }
}

/// A name that leads to this very machine, and is not known by its form.
async fn name_of_this_machine() -> String {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    for name in [own.trim(), "ip6-localhost", "ip6-loopback"] {
        let found = tokio::net::lookup_host((name, 0)).await;
        if found.is_ok_and(|mut found| found.all(|address| address.ip().is_loopback())) {
            return name.to_owned();
        }
    }
    panic!("no name leads to a loopback address here: give this machine's own name one in /etc/hosts")
}

#[tokio::test]
async fn a_name_is_judged_when_it_is_connected_to_by_what_it_leads_to() {
    let (address, received) = listener().await;
    let port = address.rsplit(':').next().unwrap();
    let url = format!("http://{}:{port}/204", name_of_this_machine().await);
    let closed = Target { allow_private: Vec::new(), ..target(&url, TIMEOUT_DEFAULT) };
    let error =
        WebhookSink::new(closed.clone(), key(), clock()).unwrap().deliver(&notice()).await.unwrap_err();
    assert_eq!((error.kind, error.reason.as_str()), (SinkErrorKind::Transient, "private-address"), "{error}");
    assert!(error.message.contains("allow_private"), "{error}");
    let examined = WebhookSink::new(closed, key(), clock()).unwrap().examine().await.unwrap_err();
    assert_eq!(examined.reason.as_str(), "private-address");
    assert!(received.0.lock().unwrap().is_empty());
    sink(&url, TIMEOUT_DEFAULT).deliver(&notice()).await.unwrap();
    assert_eq!(received.0.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_channel_gets_blocks_and_text_and_says_in_a_word_what_it_misses() {
    let (address, received) = listener().await;
    let slack =
        |path: &str| SlackSink::new(target(&format!("http://{address}/{path}"), TIMEOUT_DEFAULT)).unwrap();
    slack("200").deliver(&notice()).await.unwrap();
    let (_, headers, body) = received.0.lock().unwrap().pop().unwrap();
    assert_eq!(headers.get("content-type").unwrap(), "application/json");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["blocks"][0]["text"]["text"], "The agent waits for a person: acme/api");
    assert!(body["text"].as_str().unwrap().contains("acme/api"));
    let error = slack("word").deliver(&notice()).await.unwrap_err();
    assert!(error.message.ends_with("answered 404 Not Found, no_service"), "{error}");
    assert_eq!((error.kind, error.reason.as_str()), (SinkErrorKind::Permanent, "unknown-recipient"));
    // What an answer repeats of the request's secrets is not told.
    let error = slack("echo").deliver(&notice()).await.unwrap_err();
    assert!(!error.message.contains("T000"), "{error}");
    assert!(!slack("200").edits());
}

#[test]
fn the_secret_address_of_a_channel_does_not_travel_in_plain_text() {
    let plain = Target {
        allow_private: Vec::new(),
        ..target("http://hooks.example.org/T000/planted", TIMEOUT_DEFAULT)
    };
    let told = SlackSink::new(plain).err().unwrap().to_string();
    assert!(told.contains("without encryption") && !told.contains("planted"), "{told}");
    // A network that was named opens no other.
    let public = target("http://8.8.8.8/T000/planted", TIMEOUT_DEFAULT);
    let told = SlackSink::new(public).err().unwrap().to_string();
    assert!(told.contains("without encryption") && !told.contains("planted"), "{told}");
}

#[tokio::test]
async fn without_a_webhook_notices_go_to_the_log() {
    let log = LogSink::default();
    assert_eq!((log.name(), log.deliver(&notice()).await), ("log", Ok(None)));
}
