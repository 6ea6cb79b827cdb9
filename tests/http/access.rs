//! Who is let in, what is too large or not there, and how the endpoint ends.

use std::{
    cell::RefCell,
    io,
    sync::{Arc, Mutex, Once},
};

use axum::{
    body::Body,
    http::{Request, header},
};
use sluicegate::http::{BODY_BYTES_MAX, Code, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::house::{House, TOKEN};

fn asking(path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn only_the_health_check_answers_without_the_token() {
    let house = House::new().await;
    let health = house.raw(asking("/healthz", None)).await;
    assert_eq!(health.ok()["status"], "ok");
    let half = format!("Bearer {}", &TOKEN[..10]);
    let more = format!("Bearer {TOKEN}x");
    for (authorization, code) in [
        (None, "token-missing"),
        (Some("Bearer "), "token-malformed"),
        (Some("Bearer"), "token-malformed"),
        (Some("Basic dXNlcjpwYXNz"), "token-malformed"),
        (Some(TOKEN), "token-malformed"),
        (Some(half.as_str()), "unauthorised"),
        (Some(more.as_str()), "unauthorised"),
    ] {
        for path in ["/v1/overview", "/v1/jobs", "/nothing"] {
            let answer = house.raw(asking(path, authorization)).await;
            assert_eq!(answer.error(), (401, code), "{authorization:?}");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"sluicegate\"");
        }
    }
    let scheme = format!("bearer {TOKEN}");
    house.raw(asking("/v1/overview", Some(&scheme))).await.ok();
}

#[tokio::test]
async fn an_empty_token_lets_nobody_in() {
    let house = House::new().await;
    let router = sluicegate::http::router(Arc::clone(&house.context), "".into());
    let house = House { router, ..house };
    for authorization in [None, Some("Bearer "), Some("Bearer")] {
        assert_eq!(house.raw(asking("/v1/overview", authorization)).await.error().0, 401);
    }
}

/// A writer that keeps what it is given.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

thread_local! {
    static HEARD: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Ends the listening of its thread.
pub struct Listening;

impl Drop for Listening {
    fn drop(&mut self) {
        HEARD.take();
    }
}

/// Everything that is logged by this thread until the guard goes. One subscriber hears all threads: with one for each test, some
/// would miss what is logged while others come and go.
pub fn listening() -> (Kept, Listening) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let writer = || HEARD.with_borrow(|heard| heard.clone().unwrap_or_default());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
    let kept = Kept::default();
    HEARD.set(Some(kept.clone()));
    (kept, Listening)
}

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_denial_is_logged_without_the_token_that_was_presented() {
    let house = House::new().await;
    let (kept, logging) = listening();
    let answer = house.raw(asking("/v1/jobs?request=planted-query", Some("Bearer planted-token"))).await;
    drop(logging);
    let log = kept.text();
    assert!(
        log.contains("denied") && log.contains("/v1/jobs") && log.contains("a token that is not known"),
        "{log}"
    );
    for text in [log, answer.body.to_string()] {
        assert!(!text.contains("planted") && !text.contains(TOKEN), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_as_a_problem() {
    let house = House::new().await;
    for path in ["/", "/v1", "/v1/nothing", "/v1/jobs/abcd/explode", "/healthz/x"] {
        assert_eq!(house.get(path).await.error(), (404, "unknown-route"), "{path}");
    }
    let answer = house.send("DELETE", "/v1/requests", &[], "").await;
    assert_eq!(answer.error(), (405, "method-not-allowed"));
    assert_eq!(answer.headers[header::ALLOW], "GET,HEAD,POST");
    assert_eq!(house.get("/v1/plans").await.error(), (405, "method-not-allowed"));
    assert_eq!(house.send("POST", "/healthz", &[], "").await.error(), (405, "method-not-allowed"));
    assert_eq!(house.get("/v1/jobs/%ff").await.error(), (400, "bad-request"));
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit() {
    let house = House::new().await;
    let json = [("content-type", "application/json")];
    let body = "x".repeat(BODY_BYTES_MAX + 1);
    for path in ["/v1/requests", "/v1/plans", "/v1/budgets/limit"] {
        let answer = house.send("POST", path, &json, &body).await;
        assert_eq!(answer.error(), (413, "body-too-large"));
    }
    let answer = house.send("POST", "/v1/requests", &json, &body[1..]).await;
    assert_eq!(answer.error(), (422, "invalid-request"));
}

#[tokio::test]
async fn a_body_says_what_it_is() {
    let house = House::new().await;
    for headers in [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/jsonp")]] {
        for path in ["/v1/requests", "/v1/gates/open", "/v1/dead/abcd/retry"] {
            let answer = house.send("POST", path, headers, "{}").await;
            assert_eq!(answer.error(), (415, "unsupported-media-type"), "{path}");
        }
    }
    let toml = [("content-type", "application/toml")];
    assert_eq!(house.send("POST", "/v1/gates/open", &toml, "").await.error().0, 415);
    let json = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(house.send("POST", "/v1/requests", &json, "{}").await.error().0, 422);
}

#[tokio::test]
async fn the_endpoint_ends_when_told_to() {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, house.router.clone(), shutdown.clone()));
    // Connected and silent: must not hold up the end.
    let _silent = TcpStream::connect(address).await.unwrap();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut start = [0; 12];
    client.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    shutdown.cancel();
    serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[test]
fn the_page_names_every_code_with_its_status() {
    let page = include_str!("../../docs/api.md");
    for code in Code::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.status().as_u16());
        assert!(page.contains(&row), "docs/api.md lacks: {row}");
    }
}
