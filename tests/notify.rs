//! The webhook sink against a real HTTP listener: what arrives, what each answer means, and what an error tells.
#![expect(clippy::unwrap_used, reason = "in functions that tests share")]

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
    notify::{LogSink, Outgoing, Sink, SinkErrorKind, WebhookSink, webhook::TIMEOUT_DEFAULT},
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

fn sink(url: &str, timeout: Millis) -> WebhookSink {
    let clock = Arc::new(ManualClock::new(Timestamp(1_614_265_330_999)));
    WebhookSink::new(url, SigningKey::parse(&SECRET.into()).unwrap(), timeout, clock).unwrap()
}

fn notice() -> Outgoing {
    Outgoing {
        id: "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11".into(),
        kind: "job.needs_user".into(),
        occurred_at: Timestamp::parse("2026-11-20T10:00:00.5Z").unwrap(),
        subject: "0193d6f0-0000-7000-8000-000000000001".into(),
        data: json!({"repository": "acme/api", "question": "which registry?"}),
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
    let key = SigningKey::parse(&SECRET.into()).unwrap();
    assert!(key.verify(&notice().id, 1_614_265_330, &body, header("webhook-signature")));
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
        let text = format!("{error} {error:?}");
        assert!(text.contains(&format!("http://{address}")), "{text}");
        assert!(!text.contains("planted") && !text.contains("whsec"), "{text}");
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_being_shown() {
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    for url in ["planted-secret", "ftp://planted-secret@host/", "http://"] {
        let key = SigningKey::parse(&SECRET.into()).unwrap();
        let error = WebhookSink::new(url, key, TIMEOUT_DEFAULT, clock.clone()).err().unwrap();
        assert!(error.to_string().starts_with("read the webhook url: "), "{error}");
        assert!(!error.to_string().contains("planted"), "{error}");
    }
}

#[tokio::test]
async fn without_a_webhook_notices_go_to_the_log() {
    assert_eq!((LogSink.name(), LogSink.deliver(&notice()).await), ("log", Ok(())));
}
