//! Schedules over HTTP, and the step that hands their requests in.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use sluicegate::{
    job::{
        JobId,
        time::{Millis, Timestamp},
    },
    pipeline::{Policy, duties, schedules},
    policy::{
        RepositoryRules,
        schedule::{Written, written},
    },
};

use crate::house::{House, TEMPLATE, by};

/// The house's clock stands at 2026-11-20T10:00:00Z, a Friday.
fn weekly(more: &str) -> String {
    format!(
        r#"
[[schedule]]
name = "weekly"
cron = "0 9 * * *"
zone = "Europe/Berlin"
owner = "dana"
{more}
[schedule.request]
template = "bump"
repositories = ["acme/api"]
inputs = {{ package = "serde" }}
"#
    )
}

async fn with_rules_and_schedules(rules: &str, schedules: &str) -> House {
    let mut file: BTreeMap<String, Vec<Written>> = toml::from_str(schedules).unwrap();
    let written = file.remove("schedule").unwrap_or_default();
    let rules = RepositoryRules::parse("repositories.toml", rules).unwrap();
    let change = |policy: &mut Policy| {
        policy.repositories = rules;
        policy.schedules = written.iter().map(|written| written::read(written, "here").unwrap()).collect();
    };
    let house = House::with(&[TEMPLATE], BTreeMap::new(), change).await;
    // Its one worker does the house-keeping.
    duties::take(&house.context).await.unwrap();
    house
}

async fn with_schedules(schedules: &str) -> House {
    with_rules_and_schedules("", schedules).await
}

/// Lets time pass and looks.
async fn look_after(house: &House, span: Millis) {
    let now = house.context.now().plus(span);
    house.clock.set(now);
    house.context.life.renewed(now);
    look(house).await;
}

async fn look(house: &House) {
    schedules::run(Arc::clone(&house.context)).await;
    house.catch_up().await;
}

async fn became(house: &House) -> Vec<String> {
    let view = house.get("/v1/schedules/weekly").await.ok();
    let turns = view["history"].as_array().unwrap().iter();
    turns.map(|turn| format!("{} {}", turn["nominal"], turn["became"].as_str().unwrap())).collect()
}

async fn requests(house: &House) -> Vec<Value> {
    let found = house.get("/v1/requests").await.ok();
    let mut requests: Vec<Value> =
        found["requests"].as_array().unwrap().iter().map(|view| view["request"].clone()).collect();
    requests.reverse();
    requests
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const DAY: Millis = Millis::hours(24);

#[tokio::test]
async fn a_request_comes_at_its_time_and_once() {
    let house = with_schedules(&weekly("")).await;
    look(&house).await;
    look_after(&house, Millis::hours(21)).await;
    assert!(requests(&house).await.is_empty(), "one hour too early");
    look_after(&house, Millis::hours(1)).await;
    look(&house).await;
    let requests = requests(&house).await;
    assert_eq!(requests.len(), 1);
    let (key, requester) = (&requests[0]["idempotency_key"], &requests[0]["requester"]);
    assert_eq!((key, requester), (&json!("schedule/weekly/2026-11-21T08:00:00.000Z"), &json!("dana")));
    assert_eq!(requests[0]["reason"], "schedule weekly, 2026-11-21 09:00 CET");
    let listed = house.get("/v1/schedules").await.ok();
    let view = &listed["schedules"][0];
    assert_eq!(view["last_request"], requests[0]["id"]);
    assert_eq!(view["next"]["local"], "2026-11-22 09:00 +01:00");
    assert_eq!(house.get("/v1/invariants").await.ok()["broken"], json!([]));
}

#[tokio::test]
async fn what_was_missed_is_made_good_as_the_schedule_says() {
    for (more, expected) in [
        ("catch_up = \"none\"", vec![]),
        ("catch_up = \"latest\"", vec!["2026-11-30T08:00:00.000Z"]),
        (
            "catch_up = \"all\"\ncatch_up_max = 2",
            vec!["2026-11-29T08:00:00.000Z", "2026-11-30T08:00:00.000Z"],
        ),
    ] {
        let house = with_schedules(&weekly(&format!("{more}\noverlap = \"queue\""))).await;
        look(&house).await;
        look_after(&house, Millis(10 * DAY.0)).await;
        let keys: Vec<String> = requests(&house)
            .await
            .iter()
            .map(|request| request["idempotency_key"].as_str().unwrap().replace("schedule/weekly/", ""))
            .collect();
        assert_eq!(keys, expected, "{more}");
        let first = became(&house).await[0].clone();
        assert!(first.ends_with("missed"), "{first}");
        // On time, the next one comes under every policy.
        look_after(&house, Millis::hours(22)).await;
        assert_eq!(requests(&house).await.len(), expected.len() + 1);
    }
}

#[tokio::test]
async fn a_time_that_overlaps_is_skipped_queued_or_replaces_what_waits() {
    for (overlap, expected) in [
        ("skip", ["queued", ""]),
        ("queue", ["queued", "queued"]),
        ("replace_waiting", ["cancelled", "queued"]),
    ] {
        let house = with_schedules(&weekly(&format!("overlap = \"{overlap}\""))).await;
        look(&house).await;
        look_after(&house, DAY).await;
        look_after(&house, DAY).await;
        let jobs = house.get("/v1/jobs").await.ok();
        let mut states: Vec<&str> =
            jobs["jobs"].as_array().unwrap().iter().map(|job| job["state"].as_str().unwrap()).collect();
        states.sort_unstable();
        assert_eq!(
            states,
            expected.into_iter().filter(|state| !state.is_empty()).collect::<Vec<_>>(),
            "{overlap}"
        );
        if overlap == "skip" {
            assert!(became(&house).await[1].ends_with("skipped"));
            let job: JobId = jobs["jobs"][0]["id"].as_str().unwrap().parse().unwrap();
            house.post(&format!("/v1/jobs/{job}/cancel"), &by("ben", "not now")).await.ok();
            look_after(&house, DAY).await;
            assert_eq!(requests(&house).await.len(), 2, "the request before has ended");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_refused_is_kept_with_its_reason_and_its_owner_is_told() {
    let house = with_schedules(&weekly("").replace("acme/api", "other/api")).await;
    look(&house).await;
    look_after(&house, DAY).await;
    look(&house).await;
    let view = house.get("/v1/schedules/weekly").await.ok();
    let turn = &view["history"][0];
    assert_eq!((turn["became"].as_str(), view["history"].as_array().unwrap().len()), (Some("refused"), 1));
    assert!(turn["why"].as_str().unwrap().contains("outside the allow-list"), "{turn}");
    let notices = house.context.ledger.notices().await.unwrap();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].kind == "schedule.refused" && notices[0].body_json.contains("\"owner\":\"dana\""));
}

async fn desk(house: &House) -> Vec<Value> {
    let desk = house.get("/v1/desk").await.ok();
    desk["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_schedule_that_is_refused_is_on_the_desk_until_somebody_has_it() {
    let house = with_schedules(&weekly("").replace("acme/api", "other/api")).await;
    look(&house).await;
    assert!(desk(&house).await.is_empty());
    look_after(&house, DAY).await;
    let item = desk(&house).await.remove(0);
    assert_eq!((&item["kind"], &item["owner"]), (&json!("schedule"), &json!("dana")));
    let what = item["what"].as_str().unwrap();
    assert!(what.starts_with("schedule weekly was refused for 2026-11-21T08:00:00.000Z: "), "{what}");
    assert!(what.contains("outside the allow-list") && !what.contains('\n'), "{what}");
    assert!(
        item["what_to_do"].as_str().unwrap().ends_with("sluice schedule run weekly --reason ..."),
        "{item}"
    );
    look_after(&house, DAY).await;
    let again = desk(&house).await.remove(0);
    assert_eq!(again["id"], item["id"], "a further refusal is no new matter");
    assert!(again["what"].as_str().unwrap().contains("2 times, the last refused for 2026-11-22"), "{again}");
    house.post("/v1/schedules/weekly/pause", &by("ana", "wrong")).await.ok();
    assert!(desk(&house).await.is_empty(), "somebody has decided");
    house.post("/v1/schedules/weekly/resume", &by("ana", "mended")).await.ok();
    assert_eq!(desk(&house).await.len(), 1, "nothing was accepted yet");
    let seen = json!({ "item": item["id"], "actor": "ana", "reason": "at work on it" });
    house.post("/v1/desk/acknowledge", &seen).await.ok();
    look_after(&house, DAY).await;
    assert!(desk(&house).await.is_empty());
}

#[tokio::test]
async fn a_missed_time_is_on_the_desk_until_the_next_request_of_the_schedule() {
    for by_hand in [true, false] {
        let house = with_schedules(&weekly("catch_up = \"none\"")).await;
        look(&house).await;
        look_after(&house, DAY).await;
        let item = desk(&house).await.remove(0);
        assert!(item["what"].as_str().unwrap().contains("was missed for 2026-11-21"), "{item}");
        if by_hand {
            assert_eq!(house.post("/v1/schedules/weekly/run", &by("ana", "now")).await.status, 201);
        } else {
            look_after(&house, Millis::hours(22)).await;
        }
        assert_eq!((requests(&house).await.len(), desk(&house).await), (1, Vec::new()), "{by_hand}");
    }
}

/// The provider cannot be asked in this house.
#[tokio::test]
async fn a_time_waits_while_the_provider_cannot_be_asked() {
    let rules = "[[repository]]\nmatch = \"acme/*\"\nteam = \"platform\"\n";
    let house = with_rules_and_schedules(rules, &weekly("")).await;
    look(&house).await;
    look_after(&house, DAY).await;
    assert_eq!(
        (requests(&house).await.len(), became(&house).await.len()),
        (0, 0),
        "neither taken nor given up"
    );
}

#[tokio::test]
async fn pausing_holds_it_and_resuming_makes_nothing_good() {
    let house = with_schedules(&weekly("")).await;
    look(&house).await;
    let paused = house.post("/v1/schedules/weekly/pause", &by("ana", "release freeze")).await.ok();
    assert_eq!((&paused["paused"]["by"], &paused["next"]), (&json!("ana"), &Value::Null));
    look_after(&house, Millis(3 * DAY.0)).await;
    let resumed = house.post("/v1/schedules/weekly/resume", &by("ana", "over")).await.ok();
    assert_eq!(resumed["paused"], Value::Null);
    look(&house).await;
    assert!(requests(&house).await.is_empty());
    look_after(&house, DAY).await;
    assert_eq!(requests(&house).await.len(), 1);
    let reasons: Vec<_> = house.context.ledger.entries_after(0, 100).await.unwrap();
    let told = reasons.iter().filter(|entry| entry.actor == "ana").map(|entry| entry.kind.as_str());
    assert_eq!(told.collect::<Vec<_>>(), ["schedule.paused", "schedule.resumed"]);
}

#[tokio::test]
async fn a_person_runs_it_now_and_asks_for_it() {
    let house = with_schedules(&weekly("")).await;
    let answer = house.post("/v1/schedules/weekly/run", &by("ben", "hot fix")).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let requests = requests(&house).await;
    assert_eq!((&requests[0]["requester"], &requests[0]["id"]), (&json!("ben"), &answer.body["request"]));
    assert_eq!(requests[0]["reason"], "schedule weekly, run by hand: hot fix");
    let view = house.get("/v1/schedules/weekly").await.ok();
    assert_eq!(view["history"][0]["became"], "run");
    for (body, place) in [(by("ben", " "), "reason"), (by("no login!", "x"), "actor")] {
        assert_eq!(house.post("/v1/schedules/weekly/run", &body).await.places(), [place]);
    }
}

#[tokio::test]
async fn the_next_times_are_told_and_what_is_unknown_is_refused() {
    let house = with_schedules(&weekly("jitter_seconds = 600")).await;
    let next = house.get("/v1/schedules/weekly/next?count=3").await.ok();
    let times = next["times"].as_array().unwrap();
    assert_eq!((times.len(), &times[0]["local"]), (3, &json!("2026-11-21 09:00 +01:00")));
    let nominal = at("2026-11-21T08:00:00Z").0;
    let due = times[0]["due_at"].as_i64().unwrap();
    assert!((nominal..=nominal + 600_000).contains(&due));
    for (path, error) in [
        ("/v1/schedules/other", (404, "unknown-schedule")),
        ("/v1/schedules/other/next", (404, "unknown-schedule")),
        ("/v1/schedules/weekly/next?count=0", (400, "bad-filter")),
        ("/v1/schedules/weekly/next?many=1", (400, "bad-filter")),
    ] {
        assert_eq!(house.get(path).await.error(), error, "{path}");
    }
    let unknown = house.post("/v1/schedules/other/pause", &by("ana", "x")).await;
    assert_eq!(unknown.error(), (404, "unknown-schedule"));
}

#[tokio::test]
async fn whoever_does_not_keep_house_hands_nothing_in() {
    let house = with_schedules(&weekly("")).await;
    look(&house).await;
    house.context.life.let_go(&sluicegate::job::role::LeaseName::upkeep());
    look_after(&house, DAY).await;
    assert!(requests(&house).await.is_empty());
}
