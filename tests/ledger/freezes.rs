//! Freezes that people make, and exceptions: kept once, lifted once, told in the history.

use sluicegate::{
    job::{Millis, id::RequestId, time::Timestamp},
    ledger::{By, Command, FreezeChange, Reply},
    policy::freeze::{Exempt, Exemption},
};

use crate::ledger::{
    orders::order,
    world::{World, by, on_both_stores},
};

on_both_stores![
    a_freeze_is_kept_until_it_is_lifted_and_its_name_is_free_again,
    an_exception_is_kept_until_its_end,
];

async fn change(world: &World, change: FreezeChange) -> Reply {
    world.write(Command::Freeze { change, by: by() }).await
}
fn add(reason: &str) -> FreezeChange {
    FreezeChange::Add { name: "year-end".into(), body_json: format!(r#"{{"reason":"{reason}"}}"#) }
}
fn lift() -> FreezeChange {
    FreezeChange::Lift { name: "year-end".into() }
}

async fn a_freeze_is_kept_until_it_is_lifted_and_its_name_is_free_again(world: &World) {
    assert!(matches!(change(world, lift()).await, Reply::Conflict(_)));
    for _ in 0..2 {
        assert!(matches!(change(world, add("accounts")).await, Reply::Done));
    }
    assert!(matches!(change(world, add("other")).await, Reply::Conflict(_)), "another under the same name");
    let rows = world.ledger.freezes().await.unwrap();
    assert_eq!((rows.len(), rows[0].actor.as_str()), (1, "otto"));
    for _ in 0..2 {
        assert!(matches!(change(world, lift()).await, Reply::Done));
    }
    assert!(world.ledger.freezes().await.unwrap().is_empty());
    assert!(matches!(change(world, add("other")).await, Reply::Done));
    assert!(world.ledger.freezes().await.unwrap()[0].body_json.contains("other"));
    let kinds: Vec<String> =
        world.ledger.entries_after(0, 100).await.unwrap().into_iter().map(|entry| entry.kind).collect();
    let told: Vec<&String> = kinds.iter().filter(|kind| kind.starts_with("freeze.")).collect();
    assert_eq!(told, ["freeze.added", "freeze.lifted", "freeze.added"]);
}

async fn an_exception_is_kept_until_its_end(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let exemption = |freeze: Option<&str>, exempt| Exemption {
        freeze: freeze.map(Into::into),
        exempt,
        until: world.now().plus(Millis::hours(1)),
        reason: "hot fix".into(),
        actor: "ben".into(),
    };
    let of_job = exemption(None, Exempt::Job(jobs[0]));
    let of_request = exemption(Some("year-end"), Exempt::Request(RequestId::new(Timestamp(0), 1)));
    for one in [&of_job, &of_request, &exemption(Some("f"), Exempt::Everything)] {
        assert!(matches!(change(world, FreezeChange::Exempt(one.clone())).await, Reply::Done));
    }
    let kept = async || {
        let rows = world.ledger.exemptions(world.now()).await.unwrap();
        rows.iter().map(|row| row.exemption().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(kept().await[..2], [of_job, of_request]);
    assert!(world.history(jobs[0]).await.contains(&"freeze.exempted".to_owned()));
    world.pass(Millis::hours(1));
    assert!(kept().await.is_empty());
    let By { actor, .. } = by();
    let entries = world.ledger.entries_of(jobs[0]).await.unwrap();
    assert!(entries.iter().any(|entry| entry.kind == "freeze.exempted" && entry.actor == actor));
}
