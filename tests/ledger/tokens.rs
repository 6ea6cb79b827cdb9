//! Tokens of the HTTP interface: made once, revoked once, both in the history; a use is noted without an entry.

use sluicegate::{
    job::{Millis, time::Timestamp},
    ledger::{Command, Reply, TokenChange, rows::TokenRow},
};

use crate::ledger::world::{World, by, on_both_stores};

on_both_stores![
    a_token_is_kept_as_a_digest_and_a_name_has_one_unless_it_is_said,
    a_token_is_revoked_by_its_id_or_with_all_of_its_name,
    a_use_is_noted_without_an_entry,
];

fn row(id: &str, name: &str) -> TokenRow {
    TokenRow {
        id: id.into(),
        name: name.into(),
        digest: format!("digest of {id}"),
        grant_json: r#"{"roles":["viewer"],"teams":[],"templates":[]}"#.into(),
        created_at: Timestamp(0),
        created_by: String::new(),
        expires_at: None,
        revoked_at: None,
        used_at: None,
    }
}

async fn create(world: &World, row: TokenRow, beside: bool) -> Reply {
    let change = TokenChange::Create { row: Box::new(row), beside };
    world.write(Command::Token { change, by: by() }).await
}
async fn revoke(world: &World, which: &str) -> Reply {
    world.write(Command::Token { change: TokenChange::Revoke { which: which.into() }, by: by() }).await
}
async fn entries(world: &World) -> Vec<String> {
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap().into_iter();
    entries.map(|entry| entry.kind).filter(|kind| kind.starts_with("token.")).collect()
}

async fn a_token_is_kept_as_a_digest_and_a_name_has_one_unless_it_is_said(world: &World) {
    for _ in 0..2 {
        assert!(matches!(create(world, row("slg_1", "ana"), false).await, Reply::Done));
    }
    assert!(matches!(create(world, row("slg_2", "ana"), false).await, Reply::Conflict(_)));
    let ends = TokenRow { expires_at: Some(world.now().plus(Millis::hours(1))), ..row("slg_2", "ana") };
    assert!(matches!(create(world, ends, true).await, Reply::Done));
    let rows = world.ledger.access_tokens().await.unwrap();
    assert_eq!(rows.len(), 2);
    let first = rows.iter().find(|row| row.id == "slg_1").unwrap();
    assert_eq!((first.created_by.as_str(), first.digest.as_str()), ("otto", "digest of slg_1"));
    assert!(first.created_at > Timestamp(0), "when it was written, and not what it says");
    world.write(Command::Token { change: TokenChange::Revoke { which: "slg_1".into() }, by: by() }).await;
    assert!(matches!(create(world, row("slg_3", "ana"), false).await, Reply::Conflict(_)), "slg_2 is valid");
    world.pass(Millis::hours(1));
    assert!(matches!(create(world, row("slg_3", "ana"), false).await, Reply::Done), "it has expired");
    assert_eq!(entries(world).await, ["token.created", "token.created", "token.revoked", "token.created"]);
}

async fn a_token_is_revoked_by_its_id_or_with_all_of_its_name(world: &World) {
    assert!(matches!(revoke(world, "ana").await, Reply::Conflict(_)), "there is none");
    for (id, name) in [("slg_1", "ana"), ("slg_2", "ana"), ("slg_3", "ana"), ("slg_4", "ben")] {
        create(world, row(id, name), true).await;
    }
    let valid = async || {
        let rows = world.ledger.access_tokens().await.unwrap().into_iter();
        rows.filter(|row| row.is_valid(world.now())).map(|row| row.id).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        assert!(matches!(revoke(world, "slg_2").await, Reply::Done));
    }
    assert_eq!(valid().await, ["slg_1", "slg_3", "slg_4"]);
    assert!(matches!(revoke(world, "ana").await, Reply::Done));
    assert_eq!(valid().await, ["slg_4"]);
    assert_eq!(entries(world).await.iter().filter(|kind| *kind == "token.revoked").count(), 3);
    let told = world.ledger.entries_after(0, 1_000).await.unwrap();
    let last = told.iter().rfind(|entry| entry.kind == "token.revoked").unwrap();
    assert!(last.actor == "otto" && last.body_json.contains("because"), "{last:?}");
}

async fn a_use_is_noted_without_an_entry(world: &World) {
    create(world, row("slg_1", "ana"), false).await;
    let before = world.ledger.head().await.unwrap().seq;
    let at = world.now();
    for used in [at, at.minus(Millis::hours(2))] {
        assert!(matches!(
            world.write(Command::TokenUsed { id: "slg_1".into(), at: used }).await,
            Reply::Done
        ));
    }
    assert!(matches!(world.write(Command::TokenUsed { id: "slg_9".into(), at }).await, Reply::Done));
    let rows = world.ledger.access_tokens().await.unwrap();
    assert_eq!(rows[0].used_at, Some(at), "it never goes back");
    assert_eq!(world.ledger.head().await.unwrap().seq, before);
}
