//! The door for webhooks: who is let in, what is kept, what becomes of it, and going through it again.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{body::Body, extract::ConnectInfo, http::Request};
use ring::hmac;
use secrecy::SecretString;
use serde_json::{Value, json};
use sluicegate::{
    config::hooks::Door,
    http::access::Peer,
    job::{DeliveryId, time::Millis},
    pipeline::{deliveries, duties, hooks::Hooks, upkeep},
    policy::hook::{signature::Keys, written},
};

use crate::house::{Answer, House, TEMPLATE, by};

const OLD: &str = "the-secret-of-last-year";
const NEW: &str = "the-secret-of-this-year";
const STANDARD: &str = "whsec_UGxhbnRlZFNlY3JldE9mVGhlV2ViaG9va05vT25lU2VlcyE=";

const HOOKS: &str = r#"
[[hook]]
name = "github"
kind = "github"
secrets = ["the-secret-of-this-year", "the-secret-of-last-year"]
[[hook.on]]
event = "issues"
when = "action == 'labeled'"
template = "bump"
repositories = "repository.full_name"
inputs = { package = "issue.title" }
requester = "sender.login"
request_key = "issue.html_url"

[[hook]]
name = "ci"
kind = "generic"
signature = "standard-webhooks"
secrets = ["whsec_UGxhbnRlZFNlY3JldE9mVGhlV2ViaG9va05vT25lU2VlcyE="]
[[hook.on]]
event = "bump"
template = "bump"
repositories = ["acme/api"]
inputs = { package = "package" }
requester = "who"
"#;

pub fn hooks(text: &str) -> Hooks {
    let file: BTreeMap<String, Vec<written::Written<String>>> = toml::from_str(text).unwrap();
    let door = |written: &written::Written<String>| {
        let hook = written::read(written, str::to_owned).unwrap();
        let mut keys = Keys::default();
        for secret in &written.secrets {
            keys.add(&hook.proof, &SecretString::from(secret.as_str())).unwrap();
        }
        Door { hook, keys }
    };
    Hooks::new(file["hook"].iter().map(door).collect(), Millis::hours(24))
}

async fn house() -> House {
    let house = House::with_hooks(hooks(HOOKS)).await;
    // Its one worker does the house-keeping.
    duties::take(&house.context).await.unwrap();
    house
}

fn hex(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let digits = sluicegate::policy::request::hex(tag.as_ref());
    format!("sha256={digits}")
}

fn labelled(title: &str, issue: u64) -> String {
    json!({
        "action": "labeled",
        "issue": { "title": title, "html_url": format!("https://github.com/acme/api/issues/{issue}") },
        "repository": { "full_name": "acme/api" },
        "sender": { "login": "mia" },
    })
    .to_string()
}

/// Without a token, as webhooks come.
async fn post(house: &House, hook: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method("POST").uri(format!("/v1/hooks/{hook}"));
    request = request.header("content-type", "application/json").header("user-agent", "GitHub-Hookshot/1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::from(body.to_owned())).unwrap();
    let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(Peer(peer)));
    // No two come in the same millisecond, so that their order is known.
    house.clock.set(house.context.now().plus(Millis(1)));
    let answer = house.raw(request).await;
    house.catch_up().await;
    answer
}

async fn github(house: &House, id: &str, secret: &str, body: &str) -> Answer {
    let signature = hex(secret, body);
    let headers = [
        ("x-github-delivery", id),
        ("x-github-event", "issues"),
        ("x-hub-signature-256", signature.as_str()),
    ];
    post(house, "github", &headers, body).await
}

async fn standard(house: &House, id: &str, at: i64, body: &str) -> Answer {
    let key =
        sluicegate::policy::standard_webhooks::SigningKey::parse(&SecretString::from(STANDARD)).unwrap();
    let (at, signature) = (at.to_string(), key.sign(id, at, body.as_bytes()));
    let headers =
        [("webhook-id", id), ("webhook-timestamp", at.as_str()), ("webhook-signature", signature.as_str())];
    post(house, "ci", &headers, body).await
}

/// Does what the worker does that goes through deliveries.
async fn go_through(house: &House) {
    while let Some((_, id)) = house.context.queues.deliveries.take_waiting() {
        deliveries::run(Arc::clone(&house.context), id).await;
        house.catch_up().await;
    }
}

async fn listed(house: &House, query: &str) -> Vec<Value> {
    let answer = house.get(&format!("/v1/deliveries{query}")).await.ok();
    answer["deliveries"].as_array().unwrap().clone()
}

async fn requests(house: &House) -> Vec<Value> {
    let listed = house.get("/v1/requests").await.ok();
    listed["requests"].as_array().unwrap().iter().map(|view| view["request"].clone()).collect()
}

#[tokio::test]
async fn a_labelled_issue_is_one_request_however_often_it_comes() {
    let house = house().await;
    let body = labelled("serde", 7);
    let first = github(&house, "d-1", NEW, &body).await;
    assert_eq!((first.status.as_u16(), &first.body["state"]), (202, &json!("received")), "{}", first.body);
    assert!(requests(&house).await.is_empty(), "it is answered before it is gone through");
    go_through(&house).await;
    let view = listed(&house, "").await.remove(0);
    assert_eq!(
        (&view["id"], &view["state"], &view["event"]),
        (&first.body["delivery"], &json!("done"), &json!("issues"))
    );
    let asked = requests(&house).await.remove(0);
    assert_eq!(asked["id"], view["request"]);
    assert_eq!((&asked["requester"], &asked["team"]), (&json!("mia"), &json!("platform")));
    // Sent again by hand, sent again by somebody who has seen it, and the same issue labelled again.
    for (id, body, status) in
        [("d-1", body.clone(), 200), ("d-2", body.clone(), 200), ("d-3", body.replace("mia", "Mia"), 202)]
    {
        let again = github(&house, id, OLD, &body).await;
        assert_eq!(again.status.as_u16(), status, "{id}: {}", again.body);
        assert_eq!(again.body["again"], status == 200, "{id}");
        go_through(&house).await;
    }
    assert_eq!(requests(&house).await.len(), 1);
    let all = listed(&house, "").await;
    assert_eq!(all.len(), 2);
    assert_eq!(
        (&all[0]["secret"], &all[1]["secret"]),
        (&json!(2), &json!(1)),
        "the secret that can be retired is told"
    );
    let shown = house.get(&format!("/v1/deliveries/{}", view["id"].as_str().unwrap())).await.ok();
    assert_eq!(shown["payload"]["issue"]["title"], "serde");
    assert_eq!(
        shown["headers"],
        json!({ "content-type": "application/json", "user-agent": "GitHub-Hookshot/1" })
    );
    let metrics = house.get("/metrics").await.ok();
    let wanted = r#"sluice_hook_deliveries_total{hook="github",result="repeated"} 2"#;
    assert!(metrics.as_str().unwrap().contains(wanted), "{metrics}");
}

#[tokio::test]
async fn nothing_is_kept_of_what_is_not_signed_as_it_should_be() {
    let house = house().await;
    let body = labelled("serde", 7);
    let unsigned = post(&house, "github", &[("x-github-event", "issues")], &body).await;
    assert_eq!(unsigned.error(), (401, "signature-missing"));
    assert!(!unsigned.headers.contains_key("www-authenticate"), "no token would help");
    assert_eq!(github(&house, "d-1", "guessed", &body).await.error(), (401, "signature-wrong"));
    let (signature, changed) = (hex(NEW, &body), body.replace("mia", "eve"));
    let changed = post(&house, "github", &[("x-hub-signature-256", &signature)], &changed).await;
    assert_eq!(changed.error(), (401, "signature-wrong"));
    assert_eq!(post(&house, "githab", &[], &body).await.error(), (404, "unknown-hook"));
    let now = house.context.now().0 / 1_000;
    let order = json!({ "type": "bump", "package": "serde", "who": "mia" }).to_string();
    for off in [-301, 301] {
        assert_eq!(
            standard(&house, "s-1", now + off, &order).await.error(),
            (401, "signature-stale"),
            "{off}"
        );
    }
    let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024));
    assert_eq!(github(&house, "d-1", NEW, &huge).await.error(), (413, "body-too-large"));
    assert!(listed(&house, "").await.is_empty());
    assert_eq!(standard(&house, "s-1", now - 299, &order).await.status.as_u16(), 202);
    go_through(&house).await;
    assert_eq!(requests(&house).await.len(), 1, "nothing of that was in its way");
}

#[tokio::test]
async fn many_wrong_signatures_are_slowed_down_and_right_ones_are_let_in_all_the_time() {
    let house = house().await;
    let mut answers = Vec::new();
    for _ in 0..40 {
        let answer = github(&house, "d-1", "guessed", "{}").await;
        answers.push(answer.status.as_u16());
        if answers.last() == Some(&429) {
            assert_eq!(answer.error(), (429, "too-many-signatures"));
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    assert!(answers.starts_with(&[401; 20]) && answers.ends_with(&[429; 5]), "{answers:?}");
    let body = labelled("serde", 7);
    assert_eq!(github(&house, "d-1", NEW, &body).await.status.as_u16(), 202, "the sender shares the address");
    house.get("/v1/jobs").await.ok();
}

#[tokio::test]
async fn what_cannot_be_used_is_kept_with_its_reason_and_is_on_the_desk_until_it_is_replayed() {
    let house = house().await;
    let malformed = github(&house, "m", NEW, "payload=%7B%7D").await;
    assert_eq!(malformed.error(), (422, "malformed-payload"));
    assert_eq!(github(&house, "m", NEW, "payload=%7B%7D").await.status.as_u16(), 200, "it is kept already");
    github(&house, "r", NEW, &labelled("no package at all!", 8)).await;
    github(&house, "u", NEW, &labelled("serde", 9).replace("sender", "somebody")).await;
    github(&house, "i", NEW, &labelled("serde", 10).replace("labeled", "closed")).await;
    go_through(&house).await;
    let all = listed(&house, "").await;
    let states: Vec<&str> = all.iter().map(|view| view["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["ignored", "unmapped", "refused", "unmapped"], "{all:#?}");
    for (view, part) in all.iter().zip(["no rule", "requester", "package", "JSON"]) {
        assert!(view["reason"].as_str().unwrap().contains(part), "{part}: {view}");
    }
    assert!(requests(&house).await.is_empty());
    assert_eq!(listed(&house, "?state=unmapped&hook=github").await.len(), 2);
    assert!(listed(&house, "?state=done&hook=github").await.is_empty());
    let misspelt = house.get("/v1/deliveries?hook=gihtub").await;
    assert_eq!(misspelt.error(), (404, "unknown-hook"));
    assert!(
        misspelt.body["detail"].as_str().unwrap().contains("did you mean `github`?"),
        "{}",
        misspelt.body
    );
    let desk = house.get("/v1/desk").await.ok();
    let kinds: Vec<&str> =
        desk["items"].as_array().unwrap().iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["delivery"; 3]);
    let text = house.get(&format!("/v1/deliveries/{}", all[3]["id"].as_str().unwrap())).await.ok();
    assert_eq!(text["payload"], "payload=%7B%7D");
    // Dismissed, and replayed by the same mapping: it is told anew.
    let item = json!({ "item": desk["items"][0]["id"], "actor": "ana", "reason": "spam" });
    house.post("/v1/desk/acknowledge", &item).await.ok();
    let refused = all[2]["id"].as_str().unwrap();
    house.clock.set(house.context.now().plus(Millis::minutes(1)));
    let replayed =
        house.post(&format!("/v1/deliveries/{refused}/replay"), &by("otto", "try again")).await.ok();
    assert_eq!((&replayed["state"], &replayed["reason"]), (&json!("received"), &Value::Null));
    go_through(&house).await;
    let desk = house.get("/v1/desk").await.ok();
    assert_eq!((desk["items"].as_array().unwrap().len(), &desk["resting"]), (2, &json!(1)), "{desk:#}");
    let without = house.post(&format!("/v1/deliveries/{refused}/replay"), &by("otto", "")).await;
    assert_eq!(without.error(), (422, "invalid-request"));
    let unknown = DeliveryId::new(house.context.now(), 1);
    let unknown = house.post(&format!("/v1/deliveries/{unknown}/replay"), &by("otto", "why")).await;
    assert_eq!(unknown.error(), (404, "unknown-delivery"));
    let cursor =
        house.get(&format!("/v1/deliveries?after={}", DeliveryId::new(house.context.now(), 1))).await;
    assert_eq!(cursor.error(), (400, "bad-cursor"));
    let page = house.get("/v1/deliveries?limit=3").await.ok();
    let next = page["next"].as_str().unwrap();
    assert_eq!(listed(&house, &format!("?after={next}")).await.len(), 1);
}

#[tokio::test]
async fn a_replay_makes_no_second_request_unless_its_key_is_another_one() {
    let house = house().await;
    github(&house, "d-1", NEW, &labelled("serde", 7)).await;
    go_through(&house).await;
    let view = listed(&house, "").await.remove(0);
    let path = format!("/v1/deliveries/{}/replay", view["id"].as_str().unwrap());
    house.post(&path, &by("otto", "to see")).await.ok();
    go_through(&house).await;
    let again = listed(&house, "").await.remove(0);
    assert_eq!((&again["state"], &again["request"]), (&json!("done"), &view["request"]));
    assert!(again["reason"].as_str().unwrap().contains("was made of this before"), "{again}");
    assert_eq!(requests(&house).await.len(), 1);
    // The mapping is another one after a restart.
    let mut house = house;
    for (from, to, expected) in [
        ("issue.title", "join('', [issue.title, '-two'])", 1),
        ("request_key = \"issue.html_url\"", "request_key = \"issue.title\"", 2),
    ] {
        house = house.again_with(&[TEMPLATE], hooks(&HOOKS.replace(from, to))).await;
        house.post(&path, &by("otto", "mended")).await.ok();
        go_through(&house).await;
        let view = listed(&house, "").await.remove(0);
        assert_eq!(
            (requests(&house).await.len(), &view["state"]),
            (expected, &json!("done")),
            "{to}: {view}"
        );
        assert!(view["request"].is_string());
    }
}

#[tokio::test]
async fn what_waits_its_turn_for_long_is_not_given_up() {
    let house = house().await;
    github(&house, "d-1", NEW, &labelled("serde", 7)).await;
    for _ in 0..8 {
        let now = house.context.now().plus(Millis::seconds(31));
        house.clock.set(now);
        house.context.life.renewed(now);
        upkeep::run(Arc::clone(&house.context)).await;
    }
    assert_eq!(listed(&house, "?state=received").await.len(), 1);
    go_through(&house).await;
    assert_eq!((requests(&house).await.len(), listed(&house, "?state=done").await.len()), (1, 1));
}

#[tokio::test]
async fn what_its_receiver_left_lying_is_gone_through_by_whoever_keeps_house() {
    let house = house().await;
    github(&house, "d-1", NEW, &labelled("serde", 7)).await;
    // The receiver dies with its queue.
    assert!(house.context.queues.deliveries.take_waiting().is_some());
    let metrics = house.get("/metrics").await.ok();
    assert!(metrics.as_str().unwrap().contains("sluice_deliveries_waiting 1"), "{metrics}");
    upkeep::run(Arc::clone(&house.context)).await;
    assert!(house.context.queues.deliveries.is_empty(), "for a while it is left to its receiver");
    let later = |span| {
        let now = house.context.now().plus(span);
        house.clock.set(now);
        house.context.life.renewed(now);
    };
    for _ in 0..4 {
        later(Millis::seconds(31));
        upkeep::run(Arc::clone(&house.context)).await;
        assert!(house.context.queues.deliveries.take_waiting().is_some(), "and again, if that one dies too");
    }
    later(Millis::seconds(31));
    upkeep::run(Arc::clone(&house.context)).await;
    go_through(&house).await;
    assert_eq!((requests(&house).await.len(), listed(&house, "?state=done").await.len()), (1, 1));
    github(&house, "d-2", NEW, &labelled("tokio", 8)).await;
    assert!(house.context.queues.deliveries.take_waiting().is_some());
    for _ in 0..6 {
        later(Millis::seconds(31));
        upkeep::run(Arc::clone(&house.context)).await;
        while house.context.queues.deliveries.take_waiting().is_some() {}
    }
    let given_up = listed(&house, "?state=unmapped").await;
    assert!(given_up[0]["reason"].as_str().unwrap().starts_with("begun 5 times"), "{given_up:?}");
    later(Millis::hours(25));
    upkeep::run(Arc::clone(&house.context)).await;
    assert!(listed(&house, "").await.is_empty(), "nothing is kept for longer than was asked for");
}

#[tokio::test]
async fn what_hooks_have_left_goes_in_its_time_also_when_the_last_of_them_was_taken_out() {
    let house = house().await;
    github(&house, "d-1", NEW, &labelled("serde", 7)).await;
    go_through(&house).await;
    github(&house, "d-2", NEW, &labelled("tokio", 8)).await;
    let house = house.again_with(&[TEMPLATE], Hooks::new(Vec::new(), Millis::hours(24))).await;
    duties::take(&house.context).await.unwrap();
    let page = house.get("/metrics").await.body;
    assert!(
        !page.as_str().unwrap().contains("sluice_deliveries_"),
        "nobody is told of what there is not: {page}"
    );
    let later = async |minutes: u64| {
        let now = house.context.now().plus(Millis::minutes(minutes));
        house.clock.set(now);
        house.context.life.renewed(now);
        upkeep::run(Arc::clone(&house.context)).await;
        listed(&house, "").await
    };
    assert_eq!(later(23 * 60).await.len(), 2);
    let left = later(2 * 60).await;
    assert_eq!(
        (left.len(), &left[0]["sender_id"]),
        (1, &json!("d-2")),
        "what was not gone through is not lost unseen"
    );
    for _ in 0..5 {
        later(60).await;
    }
    let left = later(60).await;
    assert!(left.is_empty(), "given up, and gone: {left:?}");
}
