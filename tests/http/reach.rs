//! Tokens limited to teams and templates: what is out of reach cannot be handed in, is not there, and cannot be touched.

use serde_json::{Value, json};
use sluicegate::http::access::table::{Extent, TABLE};

use crate::house::{House, request};

const EVERY_ROLE: [&str; 4] = ["viewer", "producer", "approver", "operator"];

fn asked(team: &str, repository: &str, requester: &str) -> Value {
    let mut body = request(&[repository], true);
    body["team"] = json!(team);
    body["requester"] = json!(requester);
    body
}

/// A request of a team, and its job.
async fn hand_in(house: &House, team: &str, repository: &str) -> (String, String) {
    let accepted = house.post("/v1/requests", &asked(team, repository, "carla")).await;
    let id = accepted.body["request"].as_str().unwrap().to_owned();
    let jobs = house.get(&format!("/v1/jobs?request={id}")).await.ok();
    (id, jobs["jobs"][0]["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn work_is_handed_in_within_the_reach_alone() {
    let house = House::new().await;
    let platform = house.token("ci", &["producer"], json!({ "teams": ["platform"] })).await;
    let other = house.token("bot", &["producer"], json!({ "templates": ["fix-*"] })).await;
    for (token, requester, team, status) in
        [(&platform, "ci", "platform", 201), (&platform, "ci", "web", 403), (&other, "bot", "platform", 403)]
    {
        let body = asked(team, "acme/api", requester);
        let answer = house.post_as(token, "/v1/requests", &body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        let planned = house.post_as(token, "/v1/plans?applicable=true", &body).await;
        assert_eq!(planned.status.as_u16(), if status == 201 { 200 } else { 403 }, "{}", planned.body);
        if status == 403 {
            assert_eq!(answer.error(), (403, "outside-reach"));
            // Nor as a plan that somebody else has made.
            let planned = house.post("/v1/plans?applicable=true", &body).await.ok();
            let applied = house.post_as(token, "/v1/plans/apply", &planned["applicable"]).await;
            assert_eq!(applied.error(), (403, "outside-reach"));
        }
    }
    // Without a team it is the template's.
    let mut body = asked("", "acme/web", "ci");
    body.as_object_mut().unwrap().remove("team");
    assert_eq!(house.post_as(&platform, "/v1/requests", &body).await.status.as_u16(), 201);
    assert_eq!(house.get("/v1/requests").await.ok()["requests"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_out_of_reach_is_not_there() {
    let house = House::new().await;
    let (own, own_job) = hand_in(&house, "platform", "acme/api").await;
    let (strange, strange_job) = hand_in(&house, "web", "acme/web").await;
    let token =
        house.token("ana", &EVERY_ROLE, json!({ "teams": ["platform"], "templates": ["bump"] })).await;
    let ids = |page: Value, list: &str| -> Vec<String> {
        let of = |item: &Value| item["id"].as_str().or(item["request"]["id"].as_str()).unwrap().to_owned();
        page[list].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(ids(house.get_as(&token, "/v1/requests").await.ok(), "requests"), std::slice::from_ref(&own));
    assert_eq!(ids(house.get_as(&token, "/v1/jobs").await.ok(), "jobs"), std::slice::from_ref(&own_job));
    // The next page begins behind what was left out.
    let first = house.get_as(&token, "/v1/jobs?limit=2").await.ok();
    assert!(first["jobs"].as_array().unwrap().len() == 1 && first["next"].is_number(), "{first}");
    for job in [&own_job, &strange_job] {
        house.post(&format!("/v1/jobs/{job}/cancel"), &json!({ "actor": "carla", "reason": "x" })).await.ok();
    }
    assert!(ids(house.get_as(&token, "/v1/dead").await.ok(), "jobs").is_empty());

    let no_such = house.get_as(&token, "/v1/jobs/0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11").await;
    let hidden = house.get_as(&token, &format!("/v1/jobs/{strange_job}")).await;
    let like = |answer: &Value, id: &str| answer["detail"].as_str().unwrap().replace(id, "ID");
    assert_eq!(
        like(&hidden.body, &strange_job),
        like(&no_such.body, "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11"),
        "nothing tells that it is there"
    );
    assert_eq!(house.get_as(&token, &format!("/v1/jobs?request={strange}")).await.error().0, 404);
    let mut tried = 0;
    for rule in TABLE.iter().filter(|rule| rule.extent == Extent::Within && rule.path.contains("{id}")) {
        let id = if rule.path.starts_with("/v1/requests") { &strange } else { &strange_job };
        for id in [id.as_str(), &id[id.len() - 8..]] {
            let path = rule.path.replace("{id}", id);
            let body = json!({ "reason": "to see" }).to_string();
            let json = [("content-type", "application/json")];
            let answer = house.send_as(&token, rule.method, &path, &json, &body).await;
            assert_eq!(answer.error().0, 404, "{} {path}: {}", rule.method, answer.body);
            tried += 1;
        }
    }
    assert!(tried >= 30, "{tried}");
    // The same acts on what is within are let through to the job's own rules.
    for path in
        [format!("/v1/jobs/{own_job}"), format!("/v1/requests/{own}"), format!("/v1/jobs/{own_job}/why")]
    {
        house.get_as(&token, &path).await.ok();
    }
}

#[tokio::test]
async fn what_is_about_everything_is_closed_to_limited_tokens() {
    let house = House::new().await;
    let token = house.token("ana", &EVERY_ROLE, json!({ "templates": ["bump"] })).await;
    for rule in TABLE {
        let path = rule
            .path
            .replace("{owner}/{name}", "acme/api")
            .replace("{id}", "bump@1")
            .replace("{name}", "nightly");
        let json = [("content-type", "application/json")];
        let answer = house.send_as(&token, rule.method, &path, &json, "{}").await;
        match rule.extent {
            Extent::Whole if rule.who.is_empty() => {
                assert_eq!(answer.error(), (403, "role-missing"), "{path}");
            }
            Extent::Whole => assert_eq!(answer.error(), (403, "outside-reach"), "{} {path}", rule.method),
            Extent::Shared | Extent::Within => {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{path}: {}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn a_named_token_acts_under_its_own_name() {
    let house = House::new().await;
    let (_, job) = hand_in(&house, "platform", "acme/api").await;
    let approve = format!("/v1/jobs/{job}/approve");
    let ben = house.token("ben", &["approver"], json!({})).await;
    let claimed = house.post_as(&ben, &approve, &json!({ "actor": "ana" })).await;
    assert_eq!(claimed.error(), (403, "actor-mismatch"));
    let carla = house.token("carla", &["approver", "producer"], json!({})).await;
    assert_eq!(
        house.post_as(&carla, &approve, &json!({})).await.error(),
        (409, "illegal-event"),
        "she asked"
    );
    assert_eq!(house.post_as(&carla, &approve, &json!({ "actor": "ben" })).await.error().1, "actor-mismatch");
    for act in ["refuse", "cancel"] {
        let body = json!({ "actor": "ana", "reason": "no" });
        let answer = house.post_as(&carla, &format!("/v1/jobs/{job}/{act}"), &body).await;
        assert_eq!(answer.error(), (403, "actor-mismatch"), "{act}");
    }
    // Nor does anybody ask under another name, to let it pass themselves.
    let posed = house.post_as(&carla, "/v1/requests", &asked("platform", "acme/x", "dora")).await;
    assert_eq!(posed.error(), (403, "actor-mismatch"));
    house.post_as(&ben, &approve, &json!({ "actor": "Ben", "reason": "fine" })).await.ok();
    let entries = house.context.ledger.entries_of(job.parse().unwrap()).await.unwrap();
    let given = entries.iter().find(|entry| entry.kind == "approval.given").unwrap();
    assert_eq!(given.actor.to_lowercase(), "ben");
    assert!(!given.body_json.contains("through"), "{}", given.body_json);
}

#[tokio::test]
async fn a_delegate_names_others_and_both_are_on_the_record() {
    let house = House::new().await;
    let portal = house.token("portal", &["producer", "approver", "operator", "delegate"], json!({})).await;
    let accepted = house.post_as(&portal, "/v1/requests", &asked("platform", "acme/api", "carla")).await;
    assert_eq!(accepted.status.as_u16(), 201, "{}", accepted.body);
    let id = accepted.body["request"].as_str().unwrap();
    let entries = house.context.ledger.entries_after(0, 1_000).await.unwrap();
    let entry = entries.iter().find(|entry| entry.kind == "request.accepted").unwrap();
    assert!(entry.actor == "carla" && entry.body_json.contains(r#""through":"portal""#), "{entry:?}");

    let approve = format!("/v1/requests/{id}/approve");
    for actor in [json!("carla"), json!("portal"), Value::Null] {
        let own = house.post_as(&portal, &approve, &json!({ "actor": actor })).await;
        assert_eq!(own.error(), (409, "illegal-event"), "{actor} asked for it");
    }
    house.post_as(&portal, &approve, &json!({ "actor": "ben", "reason": "by mail" })).await.ok();
    let entries = house.context.ledger.entries_after(0, 1_000).await.unwrap();
    let given = entries.iter().find(|entry| entry.kind == "approval.given").unwrap();
    assert!(given.actor == "ben" && given.body_json.contains(r#""through":"portal""#), "{given:?}");
    let after: Vec<_> = entries.iter().skip_while(|entry| entry.kind != "approval.given").collect();
    assert!(after.iter().all(|entry| entry.body_json.contains("through")), "what it brought about as well");

    // What others do next is theirs alone.
    house.post("/v1/gates/close", &json!({ "scope": "global", "actor": "olga", "reason": "x" })).await.ok();
    let last = house.context.ledger.entries_after(0, 1_000).await.unwrap().pop().unwrap();
    assert!(last.actor == "olga" && !last.body_json.contains("through"), "{last:?}");
    assert!(house.context.ledger.verify().await.unwrap().broken.is_none());
}

#[tokio::test]
async fn a_plan_that_a_delegate_applies_names_it_as_well() {
    let house = House::new().await;
    let portal = house.token("portal", &["producer", "delegate"], json!({})).await;
    let body = asked("platform", "acme/api", "carla");
    let planned = house.post_as(&portal, "/v1/plans?applicable=true", &body).await.ok();
    let applied = house.post_as(&portal, "/v1/plans/apply", &planned["applicable"]).await;
    assert_eq!(applied.status.as_u16(), 201, "{}", applied.body);
    let entries = house.context.ledger.entries_after(0, 1_000).await.unwrap();
    assert!(entries.iter().any(|entry| entry.body_json.contains(r#""through":"portal""#)));
}

#[tokio::test]
async fn a_quarantined_result_is_not_released_by_the_token_that_handed_it_in() {
    let house = House::new().await;
    let portal = house.token("portal", &["producer", "operator", "delegate"], json!({})).await;
    let mut body = asked("platform", "acme/api", "carla");
    body["hold"] = json!(false);
    let accepted = house.post_as(&portal, "/v1/requests", &body).await;
    let id = accepted.body["request"].as_str().unwrap();
    let jobs = house.get(&format!("/v1/jobs?request={id}")).await.ok();
    let job = jobs["jobs"][0]["id"].as_str().unwrap().to_owned();
    house.quarantine(job.parse().unwrap()).await;
    let release = format!("/v1/jobs/{job}/release");
    for actor in ["portal", "carla"] {
        let own = house.post_as(&portal, &release, &json!({ "actor": actor, "reason": "fine" })).await;
        assert_eq!(own.error(), (409, "illegal-event"), "{actor}");
    }
    house.post_as(&portal, &release, &json!({ "actor": "ben", "reason": "fine" })).await.ok();
}
