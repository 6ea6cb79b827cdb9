//! What needs a person is found, and what is said of it is kept and told in the history.

use sluicegate::{
    job::{Event, Millis, RemoteState},
    ledger::{Command, Reply, command::DeskAct},
    policy::Decision,
};

use crate::ledger::{
    orders::{Order, order},
    world::{World, by, on_both_stores},
};

on_both_stores![what_needs_a_person_is_found_and_nothing_else, what_is_said_is_kept_and_told];

async fn what_needs_a_person_is_found_and_nothing_else(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c"])).await;
    let asks = world.running(jobs[0]).await;
    world.see(&asks, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    let lost = world.admitted(jobs[1]).await;
    let why = "no answer".to_owned();
    world.write(Command::StartLost { job: jobs[1], attempt: lost.id, fence: world.worker, why }).await;
    let now = world.now();
    let found =
        |rows: Vec<sluicegate::ledger::rows::JobRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(found(world.ledger.desk_jobs(now.minus(Millis(1))).await.unwrap()), [jobs[0]]);
    assert_eq!(found(world.ledger.desk_jobs(now).await.unwrap()), jobs[..2]);
    assert!(world.ledger.desk_approvals().await.unwrap().is_empty());
    let held = world.submit(Order { hold: true, ..order(&["d", "e"]) }).await;
    // A later wave waits for the one before it, not for a person.
    let waves = Some("sizes = [\"1\", \"rest\"]\n");
    world.submit(Order { waves, ..order(&["f", "g", "h"]) }).await;
    let approvals = world.ledger.desk_approvals().await.unwrap();
    let request = world.job(held[0]).await.request_id;
    assert_eq!(approvals.len(), 1, "{approvals:?}");
    assert_eq!((approvals[0].request, approvals[0].jobs, approvals[0].since), (request, 2, now));
    world.submit(Order { found: Some(Decision::default()), ..order(&["i"]) }).await;
    assert_eq!(world.ledger.desk_approvals().await.unwrap().len(), 2, "what policy leaves to a person");
    assert!(world.ledger.desk_waves().await.unwrap().is_empty());
    assert!(world.ledger.breakers_open().await.unwrap().is_empty());
}

async fn what_is_said_is_kept_and_told(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let say = async |act: DeskAct| {
        let item = "question/x/1".to_owned();
        let command = Command::Desk { item, request: None, job: Some(job), act, by: by() };
        assert!(matches!(world.write(command).await, Reply::Done));
        world.ledger.desk_among(&["question/x/1".to_owned(), "other".to_owned()]).await.unwrap().remove(0)
    };
    let until = world.now().plus(Millis::hours(1));
    assert_eq!(say(DeskAct::Snooze(until)).await.snoozed_until, Some(until));
    let seen = say(DeskAct::Acknowledge).await;
    assert_eq!((seen.acknowledged_by.as_deref(), seen.snoozed_until), (Some("otto"), Some(until)));
    let given = say(DeskAct::Assign("ben".into())).await;
    assert_eq!(
        (given.acknowledged_by, given.assignee.as_deref(), given.reason.as_str()),
        (None, Some("ben"), "because")
    );
    let told: Vec<String> =
        world.history(job).await.into_iter().filter(|kind| kind.starts_with("desk.")).collect();
    assert_eq!(told, ["desk.snoozed", "desk.acknowledged", "desk.reassigned"]);
    assert!(world.ledger.desk_among(&[]).await.unwrap().is_empty());
}
