//! The record through the program: a key, checkpoints, exports that are checked elsewhere, documents in files, a person who is
//! gone, and a ledger whose end was cut off.

use std::fs;

use serde_json::json;
use sqlx::Connection as _;

use crate::{
    stage::{Settings, Stage, id},
    world::scenario,
};

const AUDIT: &str =
    "[audit]\nkey = \"file:audit.key\"\ncheckpoint_hours = 1\ncheckpoint_file = \"elsewhere.jsonl\"\n";

/// Two jobs that were merged, on a stage that signs; the public half of the key.
fn merged() -> (Stage, String) {
    let settings = Settings { more: AUDIT.to_owned(), ..Settings::default() };
    let mut stage = Stage::set(&scenario(""), &settings);
    let made = stage.json(&["audit", "key", "new", "--out", "audit.key"]);
    assert_eq!(
        stage.sluice(&["audit", "key", "new", "--out", "audit.key"]).code,
        3,
        "never over another key"
    );
    let key = fs::read_to_string(stage.path("audit.key")).unwrap();
    stage.open();
    stage.submit("bump", &["api", "web"], &json!({}));
    assert!(stage.ends().iter().all(|job| job["state"] == "succeeded"));
    assert!(!stage.everything_said().contains(key.trim()), "the private key is told nowhere");
    (stage, made["public_key"].as_str().unwrap().to_owned())
}

#[cfg(unix)]
#[test]
fn a_new_key_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (stage, public) = merged();
    assert_eq!(fs::metadata(stage.path("audit.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(public.len(), 44);
}

#[test]
fn a_story_is_told_exported_and_checked_elsewhere() {
    let (stage, public) = merged();
    let job = stage.job("api");
    let shown = stage.sluice(&["audit", "show", id(&job)]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let sentence = shown.out.lines().next().unwrap();
    for part in [
        "Workflow bump started task ",
        "for repository acme/api, with identity bot",
        " by carla",
        "it changed 2 files",
        " credits, was given to ",
        "merged by ",
    ] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert!(shown.out.contains("job.merged") && shown.out.contains("digests"), "{}", shown.out);
    let of_request = stage.sluice(&["audit", "show", job["request"].as_str().unwrap()]);
    assert!(of_request.out.contains("2 succeeded, 0 ended otherwise"), "{of_request:?}");

    assert_eq!(stage.sluice(&["audit", "checkpoint", "--reason", "month end"]).code, 0);
    assert_eq!(stage.sluice(&["audit", "export", "--out", "all.jsonl"]).code, 0);
    let verified = stage.json(&["audit", "verify", "all.jsonl"]);
    assert_eq!(verified["verified"]["broken"], json!(null), "{verified}");
    assert!(verified["verified"]["checkpoints"].as_u64().unwrap() >= 1, "{verified}");
    let all = fs::read_to_string(stage.path("all.jsonl")).unwrap();
    assert_eq!(stage.sluice(&["audit", "export", "--out", "all.jsonl"]).code, 1, "never over another file");
    assert_eq!(stage.sluice(&["audit", "export"]).out.lines().next(), all.lines().next());
    stage.write("forged.jsonl", all.replace("carla", "mallory"));
    let forged = stage.sluice(&["audit", "verify", "all.jsonl", "forged.jsonl"]);
    assert!(forged.code == 1 && forged.out.contains("forged.jsonl: broken: line "), "{forged:?}");

    assert_eq!(stage.sluice(&["audit", "export", "--format", "intoto", "--out", "statements.jsonl"]).code, 0);
    let trusted = stage.sluice(&["audit", "verify", "statements.jsonl", "--trust", &public]);
    assert!(trusted.code == 0 && trusted.out.contains("2 statements"), "{trusted:?}");
    assert_eq!(stage.sluice(&["audit", "verify", "statements.jsonl", "--trust", "nonsense"]).code, 3);
    assert_eq!(stage.sluice(&["audit", "verify", "--trust", &public]).code, 2);
}

#[test]
fn old_documents_go_to_files_and_a_person_leaves_the_record() {
    let (stage, _) = merged();
    let (job, archive) = (stage.job("api"), stage.path("archive").display().to_string());
    let move_out = ["audit", "archive", "--before", "2100-01-01", "--to", &archive, "--reason", "old"];
    let moved = stage.json(&move_out);
    assert!(moved["documents"].as_u64().unwrap() >= 2, "{moved}");
    assert_eq!(stage.json(&move_out)["documents"], 0);
    let shown = stage.sluice(&["audit", "show", id(&job), "--documents"]);
    assert!(shown.out.contains("as it was") && shown.out.contains("in acme/api."), "{}", shown.out);
    for folder in fs::read_dir(&archive).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            fs::write(file.unwrap().path(), "something else").unwrap();
        }
    }
    let shown = stage.sluice(&["audit", "show", id(&job), "--documents"]);
    assert!(
        shown.out.contains("is not what was moved") && !shown.out.contains("in acme/api."),
        "{}",
        shown.out
    );
    let elsewhere = stage.sluice(&["audit", "show", id(&job), "--archive", "nowhere"]);
    assert!(elsewhere.out.contains("the file is not there"), "{}", elsewhere.out);
    assert_eq!(stage.json(&["audit", "verify"])["broken"], json!(null));

    let ana = stage.sluice(&["audit", "redact", "--person", "ana", "--reason", "left"]);
    assert!(ana.code == 4 && ana.err.contains("[[pool]] reviewers"), "{ana:?}");
    let carla = stage.sluice(&["audit", "redact", "--person", "carla", "--reason", "left"]);
    assert!(carla.code == 0 && carla.out.contains("stands for the person from now on"), "{carla:?}");
    let shown = stage.sluice(&["audit", "show", id(&job)]);
    assert!(!shown.out.contains("carla") && shown.out.contains(" by person-"), "{}", shown.out);
    let verified = stage.json(&["audit", "verify"]);
    assert!(verified["broken"].is_null() && verified["redacted"].as_u64().unwrap() > 0, "{verified}");
    assert_eq!(stage.ask("/v1/invariants"), json!({ "broken": [] }));
}

#[test]
fn an_end_that_was_cut_off_shows_by_the_copy_of_a_checkpoint() {
    let (mut stage, public) = merged();
    assert_eq!(stage.sluice(&["audit", "checkpoint"]).code, 0);
    assert!(stage.close().success());
    let url = format!("sqlite:{}", stage.path("ledger.db").display());
    let verify = ["audit", "verify", "--ledger", &url];
    let outside = [&verify[..], &["--checkpoints", "elsewhere.jsonl", "--trust", &public]].concat();
    assert_eq!((stage.sluice(&verify).code, stage.sluice(&outside).code), (0, 0));
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut store = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let cut = "DROP TRIGGER entries_no_delete; DELETE FROM entries WHERE seq > 5; \
            UPDATE head SET seq = 5, hash = (SELECT hash FROM entries WHERE seq = 5)";
        sqlx::raw_sql(cut).execute(&mut store).await.unwrap();
        store.close().await.unwrap();
    });
    assert_eq!(stage.sluice(&verify).code, 0, "nothing inside tells of it");
    let told = stage.sluice(&outside);
    assert!(told.code == 1 && told.out.contains("its end was cut off"), "{told:?}");
}
