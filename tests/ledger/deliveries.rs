//! Webhooks on the ledger: each delivery is kept once, comes to one end, and is about the jobs that it names.

use std::collections::BTreeSet;

use sluicegate::{
    job::{DeliveryId, JobId, Millis, RequestId, Timestamp},
    ledger::{
        By, Command, DeliveryChange, Reply,
        deliveries::DeliveryFilter,
        rows::{DeliveryRow, DeliveryState, PayloadRow},
    },
    policy::hook::Concern,
};

use crate::ledger::{
    orders::order,
    review::in_review,
    world::{World, by, on_both_stores},
};

on_both_stores![
    a_delivery_is_kept_once_by_its_name_and_by_its_bytes,
    what_it_brings_is_written_with_its_end_and_never_twice,
    one_that_is_left_lying_is_found_and_counted,
    a_replay_is_told_with_who_and_why_and_begins_anew,
    what_people_must_look_at_stands_in_the_history,
    jobs_are_found_by_pull_request_branch_and_commit,
    old_ones_go_and_those_that_wait_stay,
];

fn row(world: &World, sender_id: &str, fingerprint: Option<&str>) -> DeliveryRow {
    let now = world.now();
    DeliveryRow {
        id: DeliveryId::new(now, world.draw()),
        hook: "github".into(),
        sender_id: sender_id.into(),
        fingerprint: fingerprint.map(str::to_owned),
        event: "issues".into(),
        received_at: now,
        signed_at: None,
        secret: 0,
        bytes: 2,
        state: DeliveryState::Received,
        reason: None,
        request_id: None,
        attempts: 0,
        due_at: Some(now.plus(Millis::seconds(5))),
        settled_at: None,
    }
}

async fn receive(world: &World, row: DeliveryRow) -> (DeliveryId, bool) {
    let payload =
        PayloadRow { delivery_id: row.id, headers_json: "{}".into(), payload_json: "{\"a\":1}".into() };
    let change = DeliveryChange::Receive { row: Box::new(row.clone()), payload: Box::new(payload) };
    match world.write(Command::Delivery { id: row.id, change, by: By::ourselves("") }).await {
        Reply::Received { delivery, again } => (delivery.id, again),
        reply => panic!("{reply:?}"),
    }
}

async fn kept(world: &World, sender_id: &str) -> DeliveryId {
    receive(world, row(world, sender_id, None)).await.0
}

async fn change(world: &World, id: DeliveryId, change: DeliveryChange) -> Reply {
    world.write(Command::Delivery { id, change, by: by() }).await
}

fn ending(state: DeliveryState, concerns: Vec<(JobId, RequestId)>) -> DeliveryChange {
    DeliveryChange::End { state, reason: "because".into(), request: None, concerns }
}

async fn read(world: &World, id: DeliveryId) -> DeliveryRow {
    world.ledger.delivery(id).await.unwrap().unwrap()
}

async fn kinds(world: &World) -> Vec<String> {
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    entries.into_iter().map(|entry| entry.kind).filter(|kind| kind.starts_with("delivery.")).collect()
}

async fn a_delivery_is_kept_once_by_its_name_and_by_its_bytes(world: &World) {
    let first = row(world, "one", Some("bytes"));
    assert_eq!(receive(world, first.clone()).await, (first.id, false));
    assert_eq!(
        receive(world, first.clone()).await,
        (first.id, false),
        "its answer was lost, and it is written again"
    );
    assert_eq!(receive(world, row(world, "one", Some("other"))).await, (first.id, true));
    assert_eq!(
        receive(world, row(world, "two", Some("bytes"))).await,
        (first.id, true),
        "a replay under another name"
    );
    let elsewhere = DeliveryRow { hook: "jira".into(), ..row(world, "one", Some("bytes")) };
    assert_eq!(
        receive(world, elsewhere.clone()).await,
        (elsewhere.id, false),
        "another hook has names of its own"
    );
    let (left, right) = (row(world, "both", None), row(world, "both", None));
    let keep = |row: &DeliveryRow| Command::Delivery {
        id: row.id,
        change: DeliveryChange::Receive {
            row: Box::new(row.clone()),
            payload: Box::new(PayloadRow {
                delivery_id: row.id,
                headers_json: "{}".into(),
                payload_json: "x".into(),
            }),
        },
        by: By::ourselves(""),
    };
    let replies = world.write_all(vec![keep(&left), keep(&right)]).await;
    let again: Vec<bool> =
        replies.iter().map(|reply| matches!(reply, Reply::Received { again: true, .. })).collect();
    assert_eq!(again, [false, true], "both in one transaction");
    let payload = world.ledger.payload(first.id).await.unwrap().unwrap();
    assert_eq!(payload.payload_json, "{\"a\":1}");
    assert_eq!(world.ledger.payload(right.id).await.unwrap(), None);
}

async fn what_it_brings_is_written_with_its_end_and_never_twice(world: &World) {
    let id = kept(world, "one").await;
    let take = || {
        let Command::Submit { request, jobs } = world.submission(&order(&["a"])).0 else { panic!() };
        DeliveryChange::Take { request, jobs, requested_by: Some("Mia".into()), concerns: Vec::new() }
    };
    let both = [take(), take()].map(|change| Command::Delivery { id, change, by: By::ourselves("") });
    let replies = world.write_all(both.into()).await;
    assert!(
        matches!(replies[0], Reply::Submitted { replayed: false, .. }) && replies[1].is_stale(),
        "{replies:?}"
    );
    assert!(change(world, id, take()).await.is_stale());
    assert!(change(world, id, ending(DeliveryState::Ignored, Vec::new())).await.is_stale());
    let row = read(world, id).await;
    let requests = world.ledger.requests(10).await.unwrap();
    assert_eq!((row.state, row.request_id, requests.len()), (DeliveryState::Done, Some(requests[0].id), 1));
    assert_eq!((row.due_at, row.settled_at), (None, Some(world.now())));
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    let taken: Vec<_> = entries.iter().filter(|entry| entry.kind == "delivery.taken").collect();
    assert!(taken.len() == 1 && taken[0].body_json.contains("Mia"), "{taken:?}");
    assert_eq!(taken[0].request_id, row.request_id);
}

async fn one_that_is_left_lying_is_found_and_counted(world: &World) {
    let id = kept(world, "one").await;
    let lying = async || world.ledger.deliveries_lying(world.now(), 10).await.unwrap();
    assert!(lying().await.is_empty(), "its keeper goes on with it");
    world.pass(Millis::seconds(5));
    assert_eq!(lying().await.iter().map(|row| row.id).collect::<Vec<_>>(), [id]);
    let until = world.now().plus(Millis::seconds(30));
    let claim = |again| DeliveryChange::Postpone { until, why: None, again };
    for _ in 0..2 {
        assert!(matches!(change(world, id, claim(true)).await, Reply::Done));
    }
    assert!(lying().await.is_empty());
    assert_eq!(read(world, id).await.attempts, 2);
    change(world, id, claim(false)).await;
    assert_eq!(read(world, id).await.attempts, 0, "whoever waits for the provider has come that far");
}

async fn a_replay_is_told_with_who_and_why_and_begins_anew(world: &World) {
    let id = kept(world, "one").await;
    change(world, id, ending(DeliveryState::Unmapped, Vec::new())).await;
    assert!(matches!(change(world, id, DeliveryChange::Replay).await, Reply::Done));
    assert!(matches!(change(world, id, DeliveryChange::Replay).await, Reply::Done), "it is at it already");
    let row = read(world, id).await;
    assert_eq!((row.state, row.reason, row.due_at), (DeliveryState::Received, None, Some(world.now())));
    assert_eq!(kinds(world).await, ["delivery.unmapped", "delivery.replayed"]);
    let entry = world.ledger.entries_after(0, 1_000).await.unwrap().pop().unwrap();
    assert_eq!(entry.actor, by().actor);
    assert!(entry.body_json.contains(&by().reason));
    let unknown = DeliveryId::new(world.now(), 9);
    assert!(change(world, unknown, DeliveryChange::Replay).await.is_stale());
}

async fn what_people_must_look_at_stands_in_the_history(world: &World) {
    let mut ids = Vec::new();
    for (name, state) in [
        ("a", DeliveryState::Ignored),
        ("b", DeliveryState::Unmapped),
        ("c", DeliveryState::Refused),
        ("d", DeliveryState::Done),
    ] {
        let id = kept(world, name).await;
        change(world, id, ending(state, Vec::new())).await;
        ids.push(id);
    }
    let unreadable = DeliveryRow {
        state: DeliveryState::Unmapped,
        reason: Some("no JSON".into()),
        due_at: None,
        settled_at: Some(world.now()),
        ..row(world, "e", None)
    };
    ids.push(receive(world, unreadable).await.0);
    assert_eq!(kinds(world).await, ["delivery.unmapped", "delivery.refused", "delivery.unmapped"]);
    let desk: BTreeSet<DeliveryId> =
        world.ledger.desk_deliveries().await.unwrap().into_iter().map(|row| row.id).collect();
    assert_eq!(desk, BTreeSet::from([ids[1], ids[2], ids[4]]));
    let listed = async |hook: Option<&str>, state, before, limit| {
        let filter = DeliveryFilter { hook: hook.map(str::to_owned), state, before, limit };
        let rows = world.ledger.deliveries(&filter).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let newest: Vec<DeliveryId> = ids.iter().rev().copied().collect();
    assert_eq!(listed(None, None, None, 10).await, newest);
    assert_eq!(listed(Some("github"), None, Some(newest[1]), 2).await, newest[2..4]);
    assert_eq!(listed(None, Some(DeliveryState::Refused), None, 10).await, [ids[2]]);
    assert!(listed(Some("jira"), None, None, 10).await.is_empty());
    let end: String = ids[0].to_string().chars().skip(28).collect();
    assert_eq!(world.ledger.deliveries_ending(&end).await.unwrap()[0].id, ids[0]);
}

async fn jobs_are_found_by_pull_request_branch_and_commit(world: &World) {
    let (job, _) = in_review(world, "a").await;
    let request = world.job(job).await.request_id;
    let pull = world.job(job).await.pull().unwrap();
    let of = |name: &str| format!("acme/{name}").parse().unwrap();
    let about = async |concern: Concern| {
        let rows = world.ledger.jobs_about(&concern).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    let nothing = Concern { repository: of("a"), pulls: BTreeSet::new(), branch: None, sha: None };
    assert_eq!(about(Concern { pulls: [9, 12].into(), ..nothing.clone() }).await, [job]);
    assert!(about(Concern { pulls: [8].into(), ..nothing.clone() }).await.is_empty());
    assert!(about(Concern { repository: of("b"), pulls: [12].into(), ..nothing.clone() }).await.is_empty());
    assert_eq!(about(Concern { sha: Some(pull.head_sha.clone()), ..nothing.clone() }).await, [job]);
    assert!(about(Concern { sha: Some("0".repeat(40)), ..nothing.clone() }).await.is_empty());
    let branch = Some(pull.head_ref.clone());
    let both = Concern { pulls: [12].into(), branch: branch.clone(), ..nothing.clone() };
    assert_eq!(about(both).await, [job], "named twice, found once");
    assert_eq!(about(Concern { branch, ..nothing.clone() }).await, [job], "by the branch of its attempt");
    let id = kept(world, "one").await;
    let (mut feed, before) = (world.ledger.feed(), world.ledger.head().await.unwrap().seq);
    change(world, id, ending(DeliveryState::Done, vec![(job, request)])).await;
    assert_eq!(feed.recv().await.unwrap().happened.concerned, [job]);
    let entry = world.ledger.entries_after(before, 10).await.unwrap().remove(0);
    assert_eq!(
        (entry.kind.as_str(), entry.job_id, entry.request_id),
        ("delivery.concerns", Some(job), Some(request))
    );
}

async fn old_ones_go_and_those_that_wait_stay(world: &World) {
    let (done, waits) = (kept(world, "done").await, kept(world, "waits").await);
    let figures = async || world.ledger.delivery_figures().await.unwrap();
    let came = world.now();
    assert_eq!(figures().await, (2, Some(came), 0));
    change(world, done, ending(DeliveryState::Done, Vec::new())).await;
    assert_eq!(world.ledger.prune_deliveries(world.now(), 10).await.unwrap(), 0, "none is older");
    world.pass(Millis::hours(24));
    let young = kept(world, "young").await;
    assert_eq!(figures().await, (2, Some(came), 0), "since the oldest of them came");
    change(world, young, ending(DeliveryState::Refused, Vec::new())).await;
    assert_eq!(figures().await, (1, Some(came), 1));
    assert_eq!(world.ledger.prune_deliveries(world.now(), 10).await.unwrap(), 1);
    assert_eq!(world.ledger.delivery(done).await.unwrap(), None);
    assert_eq!(world.ledger.payload(done).await.unwrap(), None);
    for kept in [waits, young] {
        assert!(world.ledger.payload(kept).await.unwrap().is_some());
    }
    assert_eq!(world.ledger.prune_deliveries(Timestamp(0), 10).await.unwrap(), 0);
}
