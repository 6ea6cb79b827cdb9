//! Tokens over HTTP: made and shown once, refused when they are miswritten, unknown, ended or revoked, and slowed down when tried out.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    http::{Request, header},
};
use serde_json::{Value, json};
use sluicegate::{
    http::{Access, access, guarded, serve},
    ledger::{By, Command, TokenChange},
    telemetry::denials,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    access::listening,
    house::{House, TOKEN},
};

const DAY: i64 = 86_400_000;

fn counted(reason: &str) -> u64 {
    denials::counts().collect::<BTreeMap<_, _>>()[reason]
}

#[tokio::test]
async fn a_token_is_shown_once_and_kept_as_a_digest() {
    let house = House::new().await;
    let body = json!({
        "name": "ana", "roles": ["approver"], "teams": ["platform"], "expires_at": "2026-12-01T00:00:00Z",
        "actor": "olga", "reason": "on call",
    });
    let made = house.post("/v1/tokens", &body).await;
    assert_eq!(
        (made.status.as_u16(), &made.headers[header::CACHE_CONTROL]),
        (201, &"no-store".parse().unwrap())
    );
    let token = made.body["token"].as_str().unwrap().to_owned();
    let id = made.body["about"]["id"].as_str().unwrap();
    assert!(token.starts_with(id) && id.starts_with("slg_") && token.len() == 72);
    let me = house.get_as(&token, "/v1/me").await.ok();
    assert_eq!(
        me,
        json!({ "name": "ana", "grants": [{ "roles": ["approver"], "teams": ["platform"], "templates": [] }] })
    );
    let listed = house.get("/v1/tokens").await.ok();
    let view = &listed["tokens"][0];
    assert_eq!(
        (&view["name"], &view["standing"], &view["created_by"]),
        (&json!("ana"), &json!("valid"), &json!("olga"))
    );
    let again = house.post("/v1/tokens", &body).await;
    assert_eq!(again.error(), (409, "token-conflict"));
    let all = house.context.ledger.entries_after(0, 100).await.unwrap();
    let entry = all.iter().find(|entry| entry.kind == "token.created").unwrap();
    assert!(
        entry.actor == "olga" && entry.body_json.contains("on call") && entry.body_json.contains("platform")
    );
    let secret = &token[id.len()..];
    assert!(!listed.to_string().contains(secret) && !format!("{all:?}").contains(secret));
}

#[tokio::test]
async fn a_token_that_would_grant_nothing_or_never_end_by_oversight_is_refused() {
    let house = House::new().await;
    let good = json!({ "name": "ana", "roles": ["viewer"], "expires_at": null, "actor": "olga" });
    for (change, place) in [
        (json!({ "name": "Ana" }), "name"),
        (json!({ "name": "ana b" }), "name"),
        (json!({ "name": "sluicegate" }), "name"),
        (json!({ "name": "slg_1" }), "name"),
        (json!({ "roles": [] }), "roles"),
        (json!({ "roles": ["delegate"] }), "roles"),
        (json!({ "roles": ["admin"], "teams": ["platform"] }), "roles"),
        (json!({ "teams": ["Platform"] }), "teams"),
        (json!({ "templates": ["bump@1"] }), "templates"),
        (json!({ "expires_at": "tomorrow" }), "expires_at"),
        (json!({ "expires_at": "2020-01-01T00:00:00Z" }), "expires_at"),
        (json!({ "actor": "" }), "actor"),
    ] {
        let mut body = good.clone();
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = house.post("/v1/tokens", &body).await;
        assert_eq!((answer.error(), answer.places()), ((422, "invalid-request"), vec![place]), "{change}");
    }
    for (key, value) in [("roles", json!(["root"])), ("expires_at", Value::Null)] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().remove(key);
        if !value.is_null() {
            body[key] = value;
        }
        assert_eq!(house.post("/v1/tokens", &body).await.error(), (422, "invalid-request"), "{key}");
    }
    assert_eq!(house.get("/v1/tokens?all=true").await.ok()["tokens"], json!([]));
    let missing =
        house.post("/v1/tokens/revoke", &json!({ "token": "ana", "actor": "olga", "reason": "x" })).await;
    assert_eq!(missing.error(), (404, "unknown-token"));
}

#[tokio::test]
async fn each_bad_token_has_its_code_is_logged_and_counted() {
    let house = House::new().await;
    let good = house.token("ana", &["viewer"], json!({})).await;
    let (other, text) = ([9; 6], [9; 24]);
    let unknown = sluicegate::policy::access::bearer::assemble(other, text).1;
    // The right name, and another secret.
    let forged = {
        let id = (4..16).step_by(2).map(|at| u8::from_str_radix(&good[at..at + 2], 16).unwrap());
        let id: Vec<u8> = id.collect();
        sluicegate::policy::access::bearer::assemble(id.try_into().unwrap(), text).1
    };
    let miswritten = good.replace(['a', '0'], "b");
    let ended = house.token("ben", &["viewer"], json!({ "expires_at": "2026-11-21T00:00:00Z" })).await;
    let revoked = house.token("cleo", &["viewer"], json!({})).await;
    house.get_as(&revoked, "/v1/jobs").await.ok();
    house.get_as(&ended, "/v1/jobs").await.ok();
    house
        .post("/v1/tokens/revoke", &json!({ "token": "cleo", "actor": "olga", "reason": "left" }))
        .await
        .ok();
    house.clock.set(sluicegate::job::time::Timestamp(house.context.now().0 + DAY));
    for (token, code, reason, who) in [
        (&unknown, "unauthorised", "token-unknown", ""),
        (&forged, "unauthorised", "token-unknown", ""),
        (&miswritten, "token-malformed", "token-malformed", ""),
        (&"slg_".to_owned(), "token-malformed", "token-malformed", ""),
        (&"eyJhbGciOiJub25lIn0.e30.".to_owned(), "unauthorised", "token-unknown", ""),
        (&ended, "token-expired", "token-expired", "ben"),
        (&revoked, "token-revoked", "token-revoked", "cleo"),
    ] {
        let before = counted(reason);
        let (kept, logging) = listening();
        let answer = house.get_as(token, "/v1/jobs").await;
        drop(logging);
        assert_eq!(answer.error(), (401, code), "{reason}");
        let log = kept.text();
        assert!(log.contains(&format!("reason=\"{reason}\"")) && log.contains("path=\"/v1/jobs\""), "{log}");
        assert!(log.contains(who) && !log.contains(token.as_str()), "{log}");
        assert!(!answer.body.to_string().contains(&token[4..]) || token.len() == 4);
        assert!(counted(reason) > before, "{reason}");
    }
    house.get_as(&good, "/v1/jobs").await.ok();
    let listed = house.get("/v1/tokens?all=true").await.ok();
    let standing = |name: &str| {
        let tokens = listed["tokens"].as_array().unwrap();
        tokens.iter().find(|token| token["name"] == name).unwrap()["standing"].as_str().unwrap().to_owned()
    };
    assert_eq!(["ana", "ben", "cleo"].map(standing), ["valid", "expired", "revoked"]);
    assert_eq!(house.get("/v1/tokens").await.ok()["tokens"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_that_another_process_revokes_is_refused_within_two_seconds() {
    let house = House::new().await;
    let token = house.token("ana", &["viewer"], json!({})).await;
    house.get_as(&token, "/v1/jobs").await.ok();
    let change = TokenChange::Revoke { which: "ana".into() };
    house.context.ledger.write(Command::Token { change, by: By::new("olga", "left") }).await.unwrap();
    house.get_as(&token, "/v1/jobs").await.ok();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    tokio::time::resume();
    assert_eq!(house.get_as(&token, "/v1/jobs").await.error(), (401, "token-revoked"));
}

#[tokio::test]
async fn the_use_of_a_token_is_noted_once_an_hour() {
    let house = House::new().await;
    let token = house.token("ana", &["viewer"], json!({})).await;
    let noted = async || {
        // Whoever writes it is not waited for: commands are written in their order.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        house.context.ledger.write(Command::RollOver).await.unwrap();
        house.get("/v1/tokens").await.ok()["tokens"][0]["used_at"].clone()
    };
    assert_eq!(noted().await, Value::Null);
    let first = house.context.now();
    house.get_as(&token, "/v1/jobs").await.ok();
    assert_eq!(noted().await, json!(first));
    house.clock.set(sluicegate::job::time::Timestamp(first.0 + 3_599_000));
    house.get_as(&token, "/v1/jobs").await.ok();
    assert_eq!(noted().await, json!(first), "within the hour");
    house.clock.set(sluicegate::job::time::Timestamp(first.0 + 3_600_000));
    house.get_as(&token, "/v1/jobs").await.ok();
    assert_eq!(noted().await, json!(house.context.now()));
}

/// What a request with `X-Forwarded-For` is answered behind a proxy.
async fn behind_proxy(router: &axum::Router, client: &str, token: &str) -> u16 {
    use tower::ServiceExt as _;
    let request = Request::builder()
        .uri("/v1/jobs")
        .header("x-forwarded-for", client)
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn whoever_tries_tokens_out_is_told_nothing_for_a_while_and_a_right_token_always_passes() {
    let house = House::new().await;
    let named = house.token("nightly", &["viewer"], json!({})).await;
    let ended = house.token("ben", &["viewer"], json!({})).await;
    house.post("/v1/tokens/revoke", &json!({ "token": "ben", "actor": "olga", "reason": "x" })).await.ok();
    let access = Access { behind_proxy: true, ..Access::local(TOKEN.into()) };
    let router = guarded(Arc::clone(&house.context), access, sluicegate::http::Limits::default());
    // What the client writes itself comes before what the proxy adds.
    for n in 0..31 {
        let claimed = format!("198.51.100.{n}, 192.0.2.1");
        assert_eq!(behind_proxy(&router, &claimed, "guess").await, 401, "{n}");
    }
    // What is wrong with a guess is not told any more.
    let miswritten = named.replace("slg_", "slg_0");
    for token in ["guess", miswritten.as_str(), "", "a b"] {
        assert_eq!(behind_proxy(&router, "192.0.2.1", token).await, 429, "{token}");
    }
    for token in [TOKEN, named.as_str()] {
        assert_eq!(behind_proxy(&router, "192.0.2.1", token).await, 200, "not locked out by its neighbours");
    }
    assert_eq!(behind_proxy(&router, "192.0.2.1", &ended).await, 401, "no guess: it is told what is wrong");
    assert_eq!(behind_proxy(&router, "192.0.2.2", "guess").await, 401, "others go on");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    tokio::time::resume();
    assert_eq!(behind_proxy(&router, "192.0.2.1", "guess").await, 401);
    // Without a proxy the header decides nothing.
    for n in 0..40 {
        assert_eq!(behind_proxy(&house.router, &format!("192.0.2.{n}"), "guess").await, 401);
    }
}

#[tokio::test]
async fn the_other_end_of_a_connection_is_known_and_told_when_to_come_again() {
    let house = House::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/jobs", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, house.router.clone(), shutdown.clone()));
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |token: &str| client.get(&url).bearer_auth(token).send().await.unwrap();
    // Tokens that are missing or were valid once are no guesses.
    let ended = house.token("ben", &["viewer"], json!({})).await;
    house.post("/v1/tokens/revoke", &json!({ "token": "ben", "actor": "olga", "reason": "x" })).await.ok();
    for _ in 0..40 {
        assert_eq!(ask(&ended).await.status().as_u16(), 401);
    }
    let mut last = ask(TOKEN).await;
    assert_eq!(last.status().as_u16(), 200);
    for _ in 0..200 {
        last = ask("guess").await;
        if last.status().as_u16() == 429 {
            break;
        }
    }
    assert_eq!(last.status().as_u16(), 429);
    let wait: u64 = last.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=3).contains(&wait), "{wait}");
    let body: Value = last.json().await.unwrap();
    assert_eq!(body["code"], "too-many-failures");
    shutdown.cancel();
    drop(client);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_route_answers_nobody_whom_nobody_has_looked_at() {
    // The table is compared with the source; this is what stands between a slip there and the open.
    use axum::{extract::FromRequestParts as _, http::request::Parts};
    let (mut parts, ()): (Parts, ()) = Request::builder().uri("/v1/jobs").body(()).unwrap().into_parts();
    let fault = access::Caller::from_request_parts(&mut parts, &()).await.err().unwrap();
    assert_eq!(fault.code, sluicegate::http::Code::Internal);
}
