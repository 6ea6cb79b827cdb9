//! The daemon dies at each named point of the intake, and a second life goes on.

use std::{fs, os::unix::process::ExitStatusExt as _, process::Stdio};

use tokio::process::{Child, Command};

use crate::house::{Place, eventually, keyed, request, sqlite};

const SIGABRT: i32 = 6;

fn begin(place: &Place, failpoint: &str) -> Child {
    let log = fs::File::options().create(true).append(true).open(place.folder.path().join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(["serve", "--config", "sluice.toml"]).current_dir(place.folder.path());
    if !failpoint.is_empty() {
        command.env("SLUICE_FAILPOINT", failpoint);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    command.spawn().unwrap()
}

/// Dies at the point with good and bad requests in its hands; the next life settles them.
async fn crash_at(failpoint: &str) -> Vec<(String, String)> {
    let place = Place::new(sqlite(), "claim_after_ms = 200").await;
    let bad = place.add("no json").await;
    for n in 0..20 {
        place.add(request(&format!("r{n}")).to_string()).await;
        place.add(keyed(&format!("k{n}"), &format!("key-{n}"))).await;
    }
    let mut first = begin(&place, failpoint);
    let ended = first.wait().await.unwrap();
    assert_eq!(ended.signal(), Some(SIGABRT), "{failpoint}");
    assert_eq!(place.entries("requests").await.len(), 41, "nothing was acknowledged at {failpoint}");
    let second = begin(&place, "");
    place.is_settled().await;
    drop(second);
    let daemon = eventually("the ledger, once its process is gone", async || {
        let parts =
            sluicegate::boot::wire::parts(&place.loaded(), &std::collections::BTreeMap::new()).unwrap();
        sluicegate::boot::Daemon::start(parts).await.ok()
    })
    .await;
    assert_eq!(daemon.context.ledger.requests(1_000).await.unwrap().len(), 40, "{failpoint}");
    daemon.stop().await.unwrap();
    let rejections = place.rejections().await;
    assert!(rejections.iter().all(|(id, code)| *id == bad && code == "invalid-request"), "{rejections:?}");
    rejections
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_reading_loses_nothing() {
    assert_eq!(crash_at("intake.read:1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_commit_and_acknowledgement_makes_no_second_request() {
    assert_eq!(crash_at("intake.recorded:1").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_rejection_and_acknowledgement_tells_the_rejection_again() {
    assert_eq!(crash_at("intake.rejected:1").await.len(), 2, "consumers tell them apart by `entry`");
}
