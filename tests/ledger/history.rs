//! The history: it can be added to and not changed, and a change behind the ledger's back shows.

use sluicegate::job::{Event, RemoteState};

use crate::ledger::{
    orders::order,
    world::{World, on_both_stores},
};

on_both_stores![
    entries_cannot_be_changed_removed_or_replaced,
    an_untouched_history_verifies,
    a_changed_entry_shows,
    an_entry_rewritten_with_a_fitting_hash_shows,
    a_removed_entry_shows,
    a_history_cut_at_its_end_shows,
    an_inserted_entry_shows,
    a_head_that_names_another_entry_shows,
];

async fn some_history(world: &World) {
    let jobs = world.submit(order(&["a", "b"])).await;
    for job in jobs {
        let attempt = world.running(job).await;
        world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
        world.step(job, Event::Accepted).await;
    }
}

async fn problem(world: &World) -> String {
    let verified = world.ledger.verify().await.unwrap();
    let broken = world.broken().await;
    let problem = verified.broken.expect("the change shows");
    assert!(broken.iter().any(|line| line.starts_with("I16") && line.contains(&problem)), "{broken:?}");
    problem
}

async fn entries_cannot_be_changed_removed_or_replaced(world: &World) {
    some_history(world).await;
    let columns = "SELECT seq, at, kind, request_id, job_id, attempt_id, 'x', body_json, prev, hash, salt, digest, redacted FROM entries";
    let mut attempts = vec![
        "UPDATE entries SET actor = 'x' WHERE seq = 2".to_owned(),
        "UPDATE entries SET actor = 'x'".to_owned(),
        "DELETE FROM entries WHERE seq = 2".to_owned(),
        "DELETE FROM entries".to_owned(),
    ];
    if world.is_sqlite() {
        attempts.push(format!("INSERT OR REPLACE INTO entries {columns} WHERE seq = 2"));
        attempts.push("UPDATE OR REPLACE entries SET seq = 3 WHERE seq = 2".to_owned());
    } else {
        attempts.push("TRUNCATE entries".to_owned());
        attempts.push(format!(
            "INSERT INTO entries {columns} WHERE seq = 2 ON CONFLICT (seq) DO UPDATE SET actor = excluded.actor"
        ));
    }
    for attempt in attempts {
        let error = world.sql(&attempt).await.expect_err(&attempt);
        assert!(error.to_string().contains("append-only"), "{attempt}: {error}");
    }
    assert_eq!(world.ledger.verify().await.unwrap().broken, None);
}

async fn an_untouched_history_verifies(world: &World) {
    some_history(world).await;
    let verified = world.ledger.verify().await.unwrap();
    let head = world.ledger.head().await.unwrap();
    assert_eq!((verified.entries, verified.hash, verified.broken), (head.seq, head.hash, None));
    let entries = world.ledger.entries_after(0, 100).await.unwrap();
    let positions: Vec<i64> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(positions, (1..=head.seq).collect::<Vec<_>>());
}

async fn a_changed_entry_shows(world: &World) {
    some_history(world).await;
    world.unguard().await;
    for (column, value) in [
        ("at", "at + 1"),
        ("kind", "'job.forged'"),
        ("request_id", "NULL"),
        ("job_id", "NULL"),
        ("attempt_id", "NULL"),
        ("actor", "'mallory'"),
        ("body_json", "'{}'"),
        ("prev", "'genesis'"),
        ("hash", "'00'"),
    ] {
        world.sql(&format!("CREATE TABLE kept AS SELECT * FROM entries WHERE seq = 4; UPDATE entries SET {column} = {value} WHERE seq = 4;")).await.unwrap();
        let problem = problem(world).await;
        assert!(problem.contains("entry 4"), "{column}: {problem}");
        world
            .sql(&format!(
                "UPDATE entries SET {column} = (SELECT {column} FROM kept) WHERE seq = 4; DROP TABLE kept;"
            ))
            .await
            .unwrap();
        assert_eq!(world.ledger.verify().await.unwrap().broken, None, "{column}");
    }
}

async fn an_entry_rewritten_with_a_fitting_hash_shows(world: &World) {
    some_history(world).await;
    world.unguard().await;
    let mut entry = world.ledger.entries_after(3, 1).await.unwrap().remove(0);
    entry.actor = "mallory".into();
    let hash = sluicegate::ledger::chain::hash(&entry).unwrap();
    world.sql(&format!("UPDATE entries SET actor = 'mallory', hash = '{hash}' WHERE seq = 4")).await.unwrap();
    assert_eq!(problem(world).await, "entry 5 does not follow the entry before it");
}

async fn a_removed_entry_shows(world: &World) {
    some_history(world).await;
    world.unguard().await;
    world.sql("DELETE FROM entries WHERE seq = 3").await.unwrap();
    assert_eq!(problem(world).await, "entry 3 is missing: the next one found is 4");
}

async fn a_history_cut_at_its_end_shows(world: &World) {
    some_history(world).await;
    world.unguard().await;
    let last = world.ledger.head().await.unwrap().seq;
    world.sql(&format!("DELETE FROM entries WHERE seq >= {}", last - 1)).await.unwrap();
    assert_eq!(problem(world).await, format!("entries {} to {last} are missing", last - 1));
}

async fn an_inserted_entry_shows(world: &World) {
    some_history(world).await;
    world.unguard().await;
    let columns = "at, kind, request_id, job_id, attempt_id, actor, body_json, prev, hash";
    let last = world.ledger.head().await.unwrap().seq;
    world
        .sql(&format!(
            "CREATE TABLE later AS SELECT * FROM entries WHERE seq >= 4; DELETE FROM entries WHERE seq >= 4; \
             INSERT INTO entries (seq, {columns}) SELECT 4, {columns} FROM later WHERE seq = 5; \
             INSERT INTO entries (seq, {columns}) SELECT seq + 1, {columns} FROM later; \
             UPDATE head SET seq = {};",
            last + 1
        ))
        .await
        .unwrap();
    assert_eq!(problem(world).await, "entry 4 does not follow the entry before it");
}

async fn a_head_that_names_another_entry_shows(world: &World) {
    some_history(world).await;
    world.sql("UPDATE head SET hash = '00'").await.unwrap();
    assert_eq!(problem(world).await, "the head does not name the last entry");
}
