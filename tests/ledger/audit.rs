//! Checkpoints, redaction and archived documents: what they promise, and that what they do not tell of shows.

use std::sync::Arc;

use sluicegate::{
    job::{Event, JobId, RemoteState},
    ledger::{
        Command, Ledger, Reply, chain,
        command::Moved,
        eraser::Eraser,
        rows::EntryRow,
        signing::{Checkpoint, Signer},
        table,
        verify::Trust,
    },
};

use crate::ledger::{
    orders::{Order, reviewed},
    world::{World, by, on_both_stores},
};

on_both_stores![
    a_name_leaves_every_table_and_the_history_still_checks,
    a_redaction_that_nobody_tells_of_shows,
    the_store_lets_nothing_but_a_told_redaction_change_an_entry,
    a_checkpoint_is_part_of_the_history_and_of_its_key,
    a_tail_cut_off_or_a_history_written_anew_shows_by_a_checkpoint,
    documents_leave_the_ledger_only_as_they_were_and_when_nobody_needs_them,
];

fn eraser(name: &str) -> Arc<Eraser> {
    Arc::new(Eraser::new(name, "person-0").unwrap())
}

/// Redacts as the pipeline does; the rows changed.
async fn redact(world: &World, name: &str) -> u64 {
    let (eraser, mut changed) = (eraser(name), 0);
    for table in table::ALL.iter().filter(|table| table.name != "head") {
        let found = world.ledger.holding(table, &eraser, "", 1_000).await.unwrap();
        let keys: Vec<String> = found.into_iter().map(|(key, _)| key).collect();
        if keys.is_empty() {
            continue;
        }
        let command = Command::Redact { table, keys, eraser: Arc::clone(&eraser), by: by() };
        match world.write(command).await {
            Reply::Redacted { rows } => changed += rows,
            other => panic!("{other:?}"),
        }
    }
    changed
}

/// Tables in which the text stands, in any case and also within words.
async fn tables_with(world: &World, text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for table in table::ALL {
        if !world.ledger.holding(table, &eraser(text), "", 1_000).await.unwrap().is_empty() {
            found.push(table.name);
        }
    }
    found
}

/// Two jobs by a person with a name that is nowhere else, reviewed, ended and talked about.
async fn told_of_wilhelmina(world: &World) -> Vec<JobId> {
    let jobs = world
        .submit(Order {
            requester: "wilhelmina",
            key: Some("ticket 7 of wilhelmina"),
            ..reviewed(&["a", "b"])
        })
        .await;
    let by = sluicegate::ledger::By::new("Wilhelmina", "wilhelmina's mistake");
    let attempt = world.running(jobs[0]).await;
    world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
    let key = sluicegate::budget::Key::gate(sluicegate::budget::Scope::Global, "");
    let closure = sluicegate::budget::Closure {
        reason: "asked by wilhelmina".into(),
        actor: "wilhelmina".into(),
        since: world.now(),
        opens_at: None,
    };
    let change = sluicegate::ledger::BudgetChange::Close(sluicegate::budget::Source::Operator, closure);
    world.write(Command::Budget { key, change, by: by.clone() }).await;
    let body = serde_json::json!({ "text": "ask wilhelmina" });
    world
        .write(Command::Notice {
            dedup: "x/wilhelmina".into(),
            kind: "job.overdue".into(),
            job: Some(jobs[0]),
            body,
        })
        .await;
    for job in &jobs {
        let act = Command::Act { job: *job, event: Event::Cancelled, by: by.clone() };
        assert!(matches!(world.write(act).await, Reply::Done));
    }
    jobs
}

async fn a_name_leaves_every_table_and_the_history_still_checks(world: &World) {
    told_of_wilhelmina(world).await;
    let before = world.ledger.entries_after(0, 1_000).await.unwrap();
    assert_eq!(world.ledger.verify().await.unwrap().broken, None);
    let held = tables_with(world, "wilhelmina").await;
    for table in ["entries", "requests", "budgets", "outbox"] {
        assert!(held.contains(&table), "{held:?}");
    }
    assert!(redact(world, "WILHELMINA").await >= 5);
    assert_eq!(tables_with(world, "wilhelmina").await, Vec::<&str>::new());
    assert!(tables_with(world, "person-0").await.len() >= held.len());
    let verified = world.ledger.verify().await.unwrap();
    assert_eq!(verified.broken, None);
    assert!(verified.redacted >= 3, "{verified:?}");
    // Nothing but actors and bodies was changed, and only where the name was.
    let after = world.ledger.entries_after(0, 1_000).await.unwrap();
    for (before, after) in before.iter().zip(&after) {
        let same = |entry: &EntryRow| {
            (entry.seq, entry.at, entry.kind.clone(), entry.prev.clone(), entry.hash.clone())
        };
        assert_eq!(same(before), same(after));
        let named = format!("{} {}", before.actor, before.body_json).to_lowercase().contains("wilhelmina");
        assert_eq!(named, after.redacted.is_some(), "{after:?}");
        assert_eq!(named, before != after);
    }
    let told = after.iter().find(|entry| entry.kind == "history.redacted").unwrap();
    assert!(told.actor == "otto" && told.body_json.contains("because"), "{told:?}");
    // A second person in the same entries, and the same person again.
    assert!(redact(world, "otto").await > 0);
    assert_eq!(redact(world, "wilhelmina").await, 0);
    assert_eq!(tables_with(world, "otto").await, Vec::<&str>::new(), "nor who asks for it");
    assert_eq!(world.ledger.verify().await.unwrap().broken, None);
    // The writer goes on from what was changed.
    assert_eq!(world.submit(reviewed(&["c"])).await.len(), 1);
}

async fn a_redaction_that_nobody_tells_of_shows(world: &World) {
    told_of_wilhelmina(world).await;
    redact(world, "wilhelmina").await;
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    let redacted = entries.iter().find(|entry| entry.redacted.is_some()).unwrap();
    let plain = entries.iter().find(|entry| entry.redacted.is_none() && entry.seq > 1).unwrap();
    let told = entries.iter().find(|entry| entry.kind == "history.redacted").unwrap();
    world.unguard().await;
    for (change, undo) in [
        (
            format!("UPDATE entries SET actor = 'mallory' WHERE seq = {}", redacted.seq),
            format!("UPDATE entries SET actor = '{}' WHERE seq = {}", redacted.actor, redacted.seq),
        ),
        (
            format!(
                "UPDATE entries SET salt = NULL, digest = '{}', redacted = {} WHERE seq = {}",
                chain::commitment(plain.salt.as_deref().unwrap(), &plain.actor, &plain.body_json),
                told.seq,
                plain.seq
            ),
            format!(
                "UPDATE entries SET salt = '{}', digest = NULL, redacted = NULL WHERE seq = {}",
                plain.salt.as_deref().unwrap(),
                plain.seq
            ),
        ),
    ] {
        world.sql(&change).await.unwrap();
        let broken = world.ledger.verify().await.unwrap().broken.expect(&change);
        assert!(broken.contains("was redacted, and no entry of the history tells"), "{broken}");
        world.sql(&undo).await.unwrap();
        assert_eq!(world.ledger.verify().await.unwrap().broken, None, "{undo}");
    }
}

async fn the_store_lets_nothing_but_a_told_redaction_change_an_entry(world: &World) {
    told_of_wilhelmina(world).await;
    let refused = async |statement: &str| {
        let error = world.sql(statement).await.expect_err(statement);
        assert!(error.to_string().contains("append-only"), "{statement}: {error}");
    };
    refused("UPDATE entries SET salt = NULL, actor = 'x' WHERE seq = 2").await;
    refused("UPDATE entries SET salt = NULL, digest = 'd', actor = 'x', redacted = 3 WHERE seq = 2").await;
    redact(world, "wilhelmina").await;
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    let told = entries.iter().find(|entry| entry.kind == "history.redacted").unwrap().seq;
    let done = entries.iter().find(|entry| entry.redacted.is_some()).unwrap().seq;
    refused(&format!("UPDATE entries SET actor = 'x' WHERE seq = {done}")).await;
    refused(&format!("UPDATE entries SET kind = 'x', salt = NULL, redacted = {told} WHERE seq = 2")).await;
    refused(&format!("UPDATE entries SET at = 0, salt = NULL, redacted = {told} WHERE seq = 2")).await;
    refused(&format!("UPDATE entries SET salt = 'y', redacted = {told} WHERE seq = 2")).await;
    refused(&format!("DELETE FROM entries WHERE seq = {done}")).await;
    assert_eq!(world.ledger.verify().await.unwrap().broken, None);
}

fn signer() -> Arc<Signer> {
    Arc::new(Signer::parse(&Signer::generate().unwrap()).unwrap())
}

async fn checkpoint(world: &World, signer: &Arc<Signer>) -> Checkpoint {
    match world.write(Command::Checkpoint { signer: Arc::clone(signer), by: by() }).await {
        Reply::Checkpoint(point) => *point,
        other => panic!("{other:?}"),
    }
}

fn trusting(signers: &[&Arc<Signer>]) -> Trust {
    Trust { keys: signers.iter().map(|signer| signer.public_key().to_owned()).collect(), ..Trust::default() }
}

async fn a_checkpoint_is_part_of_the_history_and_of_its_key(world: &World) {
    let (old, new) = (signer(), signer());
    told_of_wilhelmina(world).await;
    let head = world.ledger.head().await.unwrap();
    let point = checkpoint(world, &old).await;
    assert_eq!((point.seq, &point.hash, point.entries), (head.seq, &head.hash, head.seq));
    told_of_wilhelmina_again(world).await;
    checkpoint(world, &new).await;
    let both = world.ledger.verify_with(&trusting(&[&old, &new])).await.unwrap();
    assert_eq!((both.broken, both.checkpoints, both.keys.len()), (None, 2, 2));
    let broken = world.ledger.verify_with(&trusting(&[&new])).await.unwrap().broken.unwrap();
    assert!(broken.contains(&old.key_id()) && broken.contains("not trusted"), "{broken}");
    assert_eq!(world.ledger.checkpoints(0).await.unwrap().len(), 2);
    assert_eq!(world.ledger.checkpoints(point.seq + 1).await.unwrap().len(), 1);
    redact(world, "wilhelmina").await;
    assert_eq!(world.ledger.verify_with(&trusting(&[&old, &new])).await.unwrap().broken, None);
}

async fn told_of_wilhelmina_again(world: &World) {
    let key = sluicegate::budget::Key::gate(sluicegate::budget::Scope::Global, "");
    let change = sluicegate::ledger::BudgetChange::Open(sluicegate::budget::Source::Operator);
    world.write(Command::Budget { key, change, by: by() }).await;
}

/// Makes every entry from one on follow from the one before it, as somebody would who can write to the store.
async fn write_anew(world: &World, ledger: &Ledger, from: i64) {
    let entries = ledger.entries_after(from - 1, 1_000).await.unwrap();
    let mut prev = entries[0].prev.clone();
    let mut sql = Vec::new();
    for entry in entries {
        let mut entry = EntryRow { prev: prev.clone(), ..entry };
        entry.hash = chain::hash(&entry).unwrap();
        let EntryRow { seq, hash, .. } = &entry;
        sql.push(format!(
            "UPDATE entries SET prev = '{prev}', hash = '{hash}' WHERE seq = {seq}; UPDATE head SET hash = '{hash}';"
        ));
        prev = entry.hash;
    }
    world.sql(&sql.concat()).await.unwrap();
}

async fn a_tail_cut_off_or_a_history_written_anew_shows_by_a_checkpoint(world: &World) {
    let signer = signer();
    told_of_wilhelmina(world).await;
    let point = checkpoint(world, &signer).await;
    let mut outside = trusting(&[&signer]);
    outside.add_file(&format!("{}\n", serde_json::to_string(&point).unwrap())).unwrap();
    assert_eq!(world.ledger.verify_with(&outside).await.unwrap().broken, None);
    world.unguard().await;
    // The end is cut off, the checkpoint with it, and the head says so.
    let kept = point.seq - 2;
    world
        .sql(&format!(
            "DELETE FROM entries WHERE seq > {kept}; \
             UPDATE head SET seq = {kept}, hash = (SELECT hash FROM entries WHERE seq = {kept});"
        ))
        .await
        .unwrap();
    assert_eq!(world.ledger.verify().await.unwrap().broken, None, "nothing inside tells of it");
    let broken = world.ledger.verify_with(&outside).await.unwrap().broken.unwrap();
    assert!(broken.contains("its end was cut off"), "{broken}");
    // One entry is changed, and everything after it made to fit.
    world.sql("UPDATE entries SET actor = 'mallory' WHERE seq = 3").await.unwrap();
    write_anew(world, &world.ledger, 3).await;
    assert_eq!(world.ledger.verify().await.unwrap().broken, None, "nothing inside tells of it");
    let mut early = trusting(&[&signer]);
    let honest = signer.checkpoint(kept, "the hash that it had", world.now());
    early.add_file(&serde_json::to_string(&honest).unwrap()).unwrap();
    let broken = early_problem(world, &early).await;
    assert!(broken.contains("was written anew"), "{broken}");
    // A checkpoint that somebody made up.
    let forged = Checkpoint { hash: "another".into(), ..point };
    let why = outside.add_file(&serde_json::to_string(&forged).unwrap()).unwrap_err();
    assert!(why.contains("line 1") && why.contains("not signed"), "{why}");
}

async fn early_problem(world: &World, trust: &Trust) -> String {
    world.ledger.verify_with(trust).await.unwrap().broken.unwrap()
}

async fn documents_leave_the_ledger_only_as_they_were_and_when_nobody_needs_them(world: &World) {
    let jobs = told_of_wilhelmina(world).await;
    let late = world.now().plus(sluicegate::job::Millis::hours(1));
    assert!(world.ledger.movable(world.now(), -1, 10).await.unwrap().0.is_empty(), "not old enough");
    let still = world.submit(reviewed(&["c"])).await[0];
    let (documents, next) = world.ledger.movable(late, -1, 10).await.unwrap();
    let ids: Vec<&str> = documents.iter().map(|document| document.id.as_str()).collect();
    let prompts = jobs.iter().map(|job| format!("prompt/{job}")).collect::<Vec<_>>();
    assert_eq!((ids, next), (prompts.iter().map(String::as_str).collect(), None));
    let moved = |digest: &str| Moved { id: prompts[0].clone(), digest: digest.into() };
    let archive = async |documents: Vec<Moved>| {
        world.write(Command::Archive { documents, place: "/archive".into(), by: by() }).await
    };
    for (wrong, why) in [
        (moved("0"), "write it again"),
        (Moved { id: format!("prompt/{still}"), digest: "0".into() }, "may still need"),
        (Moved { id: "evidence/none".into(), digest: "0".into() }, "there is no document"),
    ] {
        // With a good one beside it: all or nothing.
        let good = Moved { id: documents[1].id.clone(), digest: documents[1].digest.clone() };
        match archive(vec![good, wrong]).await {
            Reply::Conflict(told) => assert!(told.contains(why), "{told}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(world.ledger.prompt(jobs[1]).await.unwrap().is_some());
    for _ in 0..2 {
        assert!(matches!(archive(vec![moved(&documents[0].digest)]).await, Reply::Done));
    }
    assert_eq!(world.ledger.prompt(jobs[0]).await.unwrap(), None);
    let kept = world.ledger.archived(jobs[0]).await.unwrap();
    assert_eq!((kept.len(), kept[0].place.as_str(), &kept[0].digest), (1, "/archive", &documents[0].digest));
    assert_eq!(world.ledger.archived_count().await.unwrap(), 1);
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.kind == "history.archived").count(), 1);
    assert_eq!(world.ledger.verify().await.unwrap().broken, None);
    assert_eq!(world.ledger.movable(late, -1, 10).await.unwrap().0.len(), 1, "what is left");
}
