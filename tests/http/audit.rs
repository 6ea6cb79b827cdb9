//! What auditors ask for and do: stories, exports that can be checked elsewhere, checkpoints, archived documents, redaction.

use std::{fs, path::PathBuf, sync::Arc};

use axum::{Router, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sluicegate::{
    boot,
    cli::{AuditLocal, AuditVerifyArgs},
    http::router,
    job::{Event, JobId, Pull, time::Millis},
    ledger::{Command, Reply, Warrant, signing::Signer},
    pipeline::{audit::Audit, upkeep},
};

use crate::house::{House, TOKEN, by, task};

/// An installation that signs.
async fn signing() -> (House, Arc<Signer>) {
    let signer = Arc::new(Signer::parse(&Signer::generate().unwrap()).unwrap());
    let mut house = House::new().await;
    house.router = Router::new();
    let file = house.folder.path().join("elsewhere/checkpoints.jsonl");
    Arc::get_mut(&mut house.context).unwrap().tuning.audit = Audit {
        signer: Some(Arc::clone(&signer)),
        every_entries: 1_000,
        every: Millis::hours(24),
        file: Some(file),
        ..Audit::default()
    };
    house.router = router(Arc::clone(&house.context), TOKEN.into());
    (house, signer)
}

fn pull(merged: bool) -> Pull {
    Pull {
        number: 7,
        database_id: 70,
        node_id: None,
        html_url: Some("https://github.com/acme/api/pull/7".into()),
        title: "Bump serde".into(),
        open: !merged,
        draft: false,
        merged,
        head_ref: "agent/bump".into(),
        head_sha: "9fceb02d0ae598e95dc970b74767f19372d61af8".into(),
        base_ref: "main".into(),
        labels: Vec::new(),
        requested_reviewers: Vec::new(),
        merged_by: merged.then(|| "ben".into()),
        author: None,
        updated_at: None,
        changed_files: Some(3),
        changed_lines: None,
    }
}

async fn step(house: &House, job: JobId, event: Event, pull: Pull) {
    let command = Command::Step {
        job,
        event,
        pull: Some(Box::new(pull)),
        failure: None,
        note: None,
        due_at: None,
        warrant: Warrant::Free,
    };
    assert!(matches!(house.write(command).await, Reply::Done), "{event:?}");
}

/// A job that is in review, and one that waits for the same slot.
async fn two_jobs(house: &House) -> (String, Vec<JobId>) {
    let (request, jobs) = house.submit(&["acme/api", "acme/web"], false).await;
    let attempt = house.admit(jobs[0]).await.attempt.id;
    let fence = house.context.fence;
    let task = Box::new(task("task-1"));
    house.write(Command::Started { job: jobs[0], attempt, fence, task, found: false }).await;
    house.step(jobs[0], Event::Completed).await;
    step(house, jobs[0], Event::ReviewRequested, pull(false)).await;
    (request, jobs)
}

#[tokio::test]
async fn one_sentence_tells_what_was_done_and_what_is_not_known() {
    let house = House::new().await;
    let (request, jobs) = two_jobs(&house).await;
    let sentence = async |job: JobId| {
        let story = house.get(&format!("/v1/audit/jobs/{job}")).await.ok();
        story["sentence"].as_str().unwrap().to_owned()
    };
    let open = sentence(jobs[0]).await;
    for part in [
        "Workflow bump started task task-1 for repository acme/api, with identity bot, under plan ",
        &format!(
            "from request {request} by carla; it changed 3 files, cost an amount that is not known, was given to "
        ),
        "for review (pull request 7), and has not been merged: the job is in_review.",
    ] {
        assert!(open.contains(part), "{part}: {open}");
    }
    let waits = sentence(jobs[1]).await;
    assert!(waits.contains("started no task for repository acme/web yet"), "{waits}");
    assert!(waits.ends_with("; the job is queued."), "{waits}");
    step(&house, jobs[0], Event::Merged, pull(true)).await;
    let merged = sentence(jobs[0]).await;
    assert!(merged.ends_with("and merged by ben as 9fceb02d0ae598e95dc970b74767f19372d61af8."), "{merged}");
    house.post(&format!("/v1/jobs/{}/cancel", jobs[1]), &by("ana", "too risky")).await.ok();
    let story = house.get(&format!("/v1/audit/requests/{request}")).await.ok();
    let told = story["sentence"].as_str().unwrap();
    assert!(told.contains("by carla") && told.contains("for 2 jobs, under plan"), "{told}");
    assert!(told.contains("1 succeeded, 1 ended otherwise, 0 not ended yet, 0 left out."), "{told}");
    assert_eq!(story["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(story["history"][0]["kind"], "request.accepted");
    assert_eq!(house.get("/v1/audit/jobs/ffffffff").await.error(), (404, "unknown-job"));
    assert_eq!(house.get("/v1/audit/requests/ffffffff").await.error(), (404, "unknown-request"));
}

async fn exported(house: &House, query: &str) -> String {
    let answer = house.get(&format!("/v1/audit/export?{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    match answer.body {
        Value::String(text) => text,
        // One line is JSON as a whole.
        one => one.to_string(),
    }
}

async fn check(house: &House, text: &str, trust: &[&str]) -> u8 {
    let file: PathBuf = house.folder.path().join("export.jsonl");
    fs::write(&file, text).unwrap();
    let trust = trust.iter().map(|key| (*key).to_owned()).collect();
    let args = AuditVerifyArgs { files: vec![file], trust, ..AuditVerifyArgs::default() };
    boot::audit::run(AuditLocal::Verify(&args)).await.unwrap_or(3)
}

#[tokio::test]
async fn an_export_is_checked_without_the_ledger() {
    let house = House::new().await;
    let (request, _) = two_jobs(&house).await;
    let whole = exported(&house, "format=jsonl").await;
    let head = house.context.ledger.head().await.unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(i64::try_from(lines.len()).unwrap(), head.seq + 2);
    assert_eq!(check(&house, &whole, &[]).await, 0);
    let with = |lines: &[&str]| format!("{}\n", lines.join("\n"));
    let cut = with(&lines[..lines.len() - 1]);
    let without_one = with(&[&lines[..3], &lines[4..]].concat());
    let swapped = with(&[&lines[..2], &[lines[3], lines[2]], &lines[4..]].concat());
    for (wrong, what) in [
        (whole.replace("carla", "mallory"), "changed"),
        (cut, "cut off"),
        (without_one, "an entry is missing"),
        (swapped, "two are exchanged"),
        (whole.replace("\"entries\":", "\"entries\":1"), "another end"),
        (with(&[lines[0], "no json"]), "no json"),
    ] {
        assert_eq!(check(&house, &wrong, &[]).await, 1, "{what}");
    }
    assert_eq!(check(&house, "something else\n", &[]).await, 3);
    let part = exported(&house, &format!("format=jsonl&request={request}")).await;
    assert!(part.lines().count() > 4 && part.lines().count() < lines.len());
    assert_eq!(check(&house, &part, &[]).await, 0);
    assert_eq!(check(&house, &part.replace("carla", "mallory"), &[]).await, 1);
    let later = exported(&house, "since=2027-01-01T00:00:00Z").await;
    assert_eq!((later.lines().count(), check(&house, &later, &[]).await), (2, 0));
    for wrong in ["format=xml", "since=yesterday", "until=2026-13-01", "what=ever"] {
        assert_eq!(
            house.get(&format!("/v1/audit/export?{wrong}")).await.error(),
            (400, "bad-filter"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn a_spreadsheet_runs_nothing_of_an_export() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    let act = by("=HYPERLINK(\"http://x\")", "@SUM(A1),\"x\"");
    house.post(&format!("/v1/jobs/{}/cancel", jobs[0]), &act).await.ok();
    let csv = exported(&house, "format=csv").await;
    assert!(csv.starts_with("seq,at,kind,"), "{csv}");
    assert!(csv.contains(r#","'=HYPERLINK(""http://x"")","'@SUM(A1),""x""","#), "{csv}");
}

#[tokio::test]
async fn an_attempt_is_a_statement_that_its_schema_describes_and_a_key_signs() {
    let (house, signer) = signing().await;
    let (_, jobs) = two_jobs(&house).await;
    house.step(jobs[1], Event::Expired).await;
    let schema: Value = serde_json::from_str(include_str!("../../docs/schemas/attempt.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let signed = exported(&house, "format=intoto").await;
    let envelope: Value = serde_json::from_str(signed.trim_end()).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let wrong: Vec<String> = schema.iter_errors(&statement).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new(), "{statement:#}");
    assert_eq!(statement["subject"][0]["digest"]["gitCommit"], "9fceb02d0ae598e95dc970b74767f19372d61af8");
    let line = format!("{envelope}\n");
    assert_eq!(check(&house, &line, &[signer.public_key()]).await, 0);
    let other = Signer::parse(&Signer::generate().unwrap()).unwrap();
    assert_eq!(check(&house, &line, &[other.public_key()]).await, 1);
    let mut forged = envelope.clone();
    forged["payload"] =
        json!(STANDARD.encode(String::from_utf8(payload).unwrap().replace("acme/api", "acme/web")));
    assert_eq!(check(&house, &format!("{forged}\n"), &[signer.public_key()]).await, 1);
}

#[tokio::test]
async fn a_checkpoint_needs_a_key_and_stands_in_the_ledger_and_in_the_file() {
    let none = House::new().await;
    let refused = none.post("/v1/audit/checkpoints", &by("ana", "")).await;
    assert_eq!(refused.error(), (409, "checkpoint-conflict"));
    assert!(refused.body["detail"].as_str().unwrap().contains("sluice audit key new"), "{}", refused.body);
    let (house, signer) = signing().await;
    let file = house.context.tuning.audit.file.clone().unwrap();
    let lines =
        || fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    two_jobs(&house).await;
    let first = house.post("/v1/audit/checkpoints", &by("ana", "month end")).await.ok();
    assert_eq!((first["key"].as_str(), lines().len()), (Some(signer.key_id().as_str()), 1));
    // A line that was cut off in writing, as by a power cut.
    fs::write(&file, format!("{}\n{{\"seq\":", lines()[0])).unwrap();
    house.post("/v1/audit/checkpoints", &by("ana", "")).await.ok();
    assert_eq!(lines().len(), 2);
    assert!(lines().iter().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{:?}", lines());
    // One that was never written comes with the next.
    fs::write(&file, format!("{}\n", lines()[0])).unwrap();
    house.post("/v1/audit/checkpoints", &by("ana", "")).await.ok();
    assert_eq!(lines().len(), 3);
    let verified = house.get("/v1/audit/verify").await.ok();
    assert_eq!((&verified["broken"], &verified["checkpoints"]), (&Value::Null, &json!(3)));
    // The sweep makes one when it is due and not before.
    upkeep::run(Arc::clone(&house.context)).await;
    assert_eq!(lines().len(), 3);
    house.clock.set(house.context.now().plus(Millis::hours(25)));
    house.submit(&["acme/api"], false).await;
    house.context.keep_checkpoints().await.unwrap();
    house.context.keep_checkpoints().await.unwrap();
    assert_eq!(lines().len(), 4);
}

#[tokio::test]
async fn old_documents_leave_the_ledger_and_the_story_tells_where_to() {
    let house = House::new().await;
    let (_, jobs) = house.submit(&["acme/api"], false).await;
    house.post(&format!("/v1/jobs/{}/cancel", jobs[0]), &by("ana", "too risky")).await.ok();
    let none = house.get("/v1/audit/documents?before=2026-11-20T10:00:00Z").await.ok();
    assert_eq!(none, json!({ "documents": [], "next": null }));
    let found = house.get("/v1/audit/documents?before=2026-12-01T00:00:00Z").await.ok();
    let document = &found["documents"][0];
    assert!(document["text"].as_str().unwrap().starts_with("Bump serde in acme/api."), "{document}");
    let archive = |digest: &Value| {
        json!({
            "documents": [{ "id": document["id"], "digest": digest }], "place": "/srv/archive",
            "actor": "ana", "reason": "half a year",
        })
    };
    let refused = house.post("/v1/audit/archive", &archive(&json!("00"))).await;
    assert_eq!(refused.error(), (409, "archive-conflict"));
    for _ in 0..2 {
        house.post("/v1/audit/archive", &archive(&document["digest"])).await.ok();
    }
    let story = house.get(&format!("/v1/audit/jobs/{}", jobs[0])).await.ok();
    assert_eq!(story["detail"]["prompt"], Value::Null);
    assert_eq!(story["archived"][0]["place"], "/srv/archive");
    assert_eq!(story["archived"][0]["digest"], document["digest"]);
    assert_eq!(house.get("/v1/audit/verify").await.ok()["broken"], Value::Null);
    let nowhere = json!({ "documents": [], "place": " ", "actor": "ana", "reason": "x" });
    assert_eq!(house.post("/v1/audit/archive", &nowhere).await.places(), ["place"]);
}

#[tokio::test]
async fn a_person_who_is_gone_leaves_everything_that_is_shown() {
    let house = House::new().await;
    let (request, jobs) = house.submit(&["acme/api"], false).await;
    let redact = |person: &str| json!({ "person": person, "actor": "ana", "reason": "asked by Carla" });
    let path = "/v1/audit/redactions";
    let at_work = house.post(path, &redact("carla")).await;
    assert_eq!(at_work.error(), (409, "person-at-work"));
    assert!(at_work.body["detail"].as_str().unwrap().contains(&jobs[0].to_string()), "{}", at_work.body);
    let configured = house.post(path, &redact("ben")).await;
    assert!(
        configured.body["detail"].as_str().unwrap().contains("[[pool]] reviewers"),
        "{}",
        configured.body
    );
    for name in ["", "x", "a\"b"] {
        assert_eq!(house.post(path, &redact(name)).await.places(), ["person"], "{name:?}");
    }
    house.post(&format!("/v1/jobs/{}/cancel", jobs[0]), &by("carla", "carla has left")).await.ok();
    let done = house.post(path, &redact("Carla")).await.ok();
    let person = done["person"].as_str().unwrap();
    assert!(person.starts_with("person-") && done["rows"].as_u64().unwrap() >= 3, "{done}");
    assert_eq!((&done["left"], &done["archived"]), (&json!([]), &json!(0)));
    let shown = [
        "/v1/requests".to_owned(),
        format!("/v1/requests/{request}"),
        format!("/v1/jobs/{}", jobs[0]),
        format!("/v1/audit/jobs/{}", jobs[0]),
        format!("/v1/audit/requests/{request}"),
        "/v1/notices".to_owned(),
        "/v1/audit/export?format=jsonl".to_owned(),
        "/v1/audit/export?format=csv".to_owned(),
    ];
    for path in shown {
        let text = house.get(&path).await.ok().to_string();
        assert!(!text.to_lowercase().contains("carla"), "{path}: {text}");
        assert!(text.contains(person) || path == "/v1/notices", "{path}: {text}");
    }
    let whole = exported(&house, "format=jsonl").await;
    assert_eq!(check(&house, &whole, &[]).await, 0);
    assert_eq!(house.get("/v1/audit/verify").await.ok()["broken"], Value::Null);
    assert_eq!(house.get("/v1/invariants").await.ok(), json!({ "broken": [] }));
    // Again: nothing is left to do, and it is told that it was asked.
    assert_eq!(house.post(path, &redact("carla")).await.ok()["rows"], 0);
}
