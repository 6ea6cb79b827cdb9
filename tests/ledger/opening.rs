//! Opening a ledger: what must be refused, with words that help, and what may be read while it is in use.

use std::sync::Arc;

use sluicegate::{
    clock::ManualClock,
    job::{Millis, State},
    ledger::{Command, Ledger, LedgerError},
};

use crate::ledger::{
    orders::{order, rules},
    world::{World, location, on_both_stores, open},
};

on_both_stores![
    what_was_written_is_there_after_it_is_opened_again,
    a_ledger_of_a_newer_version_is_refused,
    a_clock_far_behind_the_ledger_is_refused_and_one_slightly_behind_is_not,
    a_ledger_may_be_read_while_it_is_in_use_and_not_written,
    a_store_without_a_ledger_is_not_made_by_reading,
];

async fn what_was_written_is_there_after_it_is_opened_again(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let head = world.ledger.head().await.unwrap();
    world.ledger.close().await;
    let error = world.ledger.write(Command::RollOver).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    let again = world.reopen().await.unwrap();
    assert_eq!(again.head().await.unwrap(), head);
    assert_eq!(again.attempt(attempt.id).await.unwrap(), Some(attempt));
    assert_eq!(again.broken_invariants().await.unwrap(), Vec::<String>::new());
    world.over();
}

async fn a_ledger_of_a_newer_version_is_refused(world: &World) {
    world.ledger.close().await;
    world
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 99, 'later', success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
        )
        .await
        .unwrap();
    let errors = [
        world.reopen().await.unwrap_err(),
        Ledger::open_read_only(&world.location, Arc::clone(&world.rules)).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, LedgerError::Newer { version: 99 }), "{error}");
        assert!(error.to_string().contains("upgrade this program"), "{error}");
    }
}

async fn a_clock_far_behind_the_ledger_is_refused_and_one_slightly_behind_is_not(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let head = world.ledger.head().await.unwrap();
    world.ledger.close().await;
    let behind = Arc::new(ManualClock::new(head.at.minus(Millis(120_001))));
    let error = open(&world.location, &world.rules, &behind).await.unwrap_err();
    assert!(matches!(error, LedgerError::ClockBehind { .. }), "{error}");
    let words = error.to_string();
    assert!(words.contains("set the clock right") && words.contains(&head.at.to_string()), "{words}");
    // The refusal leaves nothing locked, and history does not go back in time.
    let slightly = Arc::new(ManualClock::new(head.at.minus(Millis(120_000))));
    let ledger = open(&world.location, &world.rules, &slightly).await.unwrap();
    ledger.write(world.admission(jobs[0], world.worker)).await.unwrap();
    assert_eq!(ledger.head().await.unwrap().at, head.at);
    world.over();
}

async fn a_ledger_may_be_read_while_it_is_in_use_and_not_written(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let reader = Ledger::open_read_only(&world.location, Arc::clone(&world.rules)).await.unwrap();
    assert_eq!(reader.job(jobs[0]).await.unwrap().unwrap().state, State::Queued);
    world.running(jobs[0]).await;
    assert_eq!(reader.job(jobs[0]).await.unwrap().unwrap().state, State::Running);
    assert_eq!(reader.verify().await.unwrap().broken, None);
    assert_eq!(reader.broken_invariants().await.unwrap(), Vec::<String>::new());
    let error = reader.write(Command::RollOver).await.unwrap_err();
    assert!(error.to_string().contains("reading only"), "{error}");
    // And after its last writer has gone.
    world.ledger.close().await;
    let later = Ledger::open_read_only(&world.location, Arc::clone(&world.rules)).await.unwrap();
    assert_eq!(later.verify().await.unwrap().broken, None);
    world.over();
}

async fn a_store_without_a_ledger_is_not_made_by_reading(world: &World) {
    let url = if let Some(path) = world.sqlite_path() {
        let other = path.with_file_name("other.db");
        let missing = location(&format!("sqlite:{}", other.display()));
        let error = Ledger::open_read_only(&missing, Arc::clone(&world.rules)).await.unwrap_err();
        assert!(error.to_string().contains("other.db"), "{error}");
        assert!(!other.exists());
        std::fs::write(&other, "").unwrap();
        missing.url
    } else {
        crate::support::Postgres::shared().database()
    };
    let error = Ledger::open_read_only(&location(&url), Arc::clone(&world.rules)).await.unwrap_err();
    assert!(error.to_string().contains("start the daemon once"), "{error}");
}

#[tokio::test]
async fn two_daemons_do_not_share_a_sqlite_file() {
    let world = World::sqlite().await;
    let error = world.reopen().await.unwrap_err();
    assert!(matches!(error, LedgerError::Locked(_)), "{error}");
    assert!(
        error.to_string().contains("ledger.db") && error.to_string().contains("stop it first"),
        "{error}"
    );
    world.ledger.close().await;
    let second = world.reopen().await.unwrap();
    assert!(matches!(world.reopen().await, Err(LedgerError::Locked(_))));
    drop(second);
    // The writer ends once it has noticed that nobody can write to it any more.
    while world.reopen().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_no_ledger_is_refused_with_its_name() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(
        path("text"),
        "this is a text, and not a short one at all, so that it has a header".repeat(20),
    )
    .unwrap();
    std::fs::create_dir(path("folder")).unwrap();
    let clock = Arc::new(ManualClock::new(sluicegate::job::Timestamp(0)));
    for (url, said) in [
        ("mysql://root:hunter2@db/x".to_owned(), "not `mysql:`"),
        ("sqlite::memory:".to_owned(), "names no file"),
        ("sqlite:".to_owned(), "names no file"),
        (format!("sqlite:{}", path("text")), "text: "),
        (format!("sqlite:{}", path("folder")), "folder: "),
        (format!("sqlite:{}", path("text/below/ledger.db")), "text/below/ledger.db: "),
        ("postgres://sluice:hunter2@127.0.0.1:1/none".to_owned(), "database none at 127.0.0.1:1: "),
        ("postgres://sluice:hunter2@127.0.0.1:port/none".to_owned(), "cannot be opened"),
    ] {
        let error = open(&location(&url), &Arc::new(rules()), &clock).await.unwrap_err().to_string();
        assert!(error.contains(said), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
