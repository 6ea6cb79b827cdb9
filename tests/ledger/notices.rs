//! The outbox: once per thing to tell, delivered or given up, never lost.

use sluicegate::{
    job::{Event, NoticeId, RemoteState},
    ledger::{Command, Reply, rows::NoticeRow},
};

use crate::ledger::{
    orders::{HOUR, order},
    world::{World, on_both_stores},
};

on_both_stores![
    each_waiting_episode_is_told_once,
    a_notice_of_the_pipeline_is_queued_once_per_key,
    a_delivered_notice_is_no_longer_due,
    a_notice_that_fails_is_due_again_later_and_at_last_given_up,
];

async fn due(world: &World) -> Vec<NoticeRow> {
    world.ledger.notices_due(100).await.unwrap()
}

async fn one(world: &World) -> NoticeRow {
    let body = serde_json::json!({ "problem": "expired" });
    let kind = "identity.refused".to_owned();
    for _ in 0..2 {
        let (dedup, kind, body) = ("identity/bot".to_owned(), kind.clone(), body.clone());
        assert!(matches!(world.write(Command::Notice { dedup, kind, job: None, body }).await, Reply::Done));
    }
    due(world).await.remove(0)
}

async fn each_waiting_episode_is_told_once(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let attempt = world.running(job).await;
    for _ in 0..2 {
        world.see(&attempt, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
        let again = world.see(&attempt, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
        assert!(again.is_stale());
        world.see(&attempt, RemoteState::InProgress, Some(Event::Resumed)).await;
    }
    assert_eq!(world.job(job).await.episode, 2);
    let notices = world.ledger.notices_of(job).await.unwrap();
    assert_eq!(notices.iter().map(|notice| notice.kind.as_str()).collect::<Vec<_>>(), ["job.needs_user"; 2]);
    let body: serde_json::Value = serde_json::from_str(&notices[0].body_json).unwrap();
    assert_eq!(
        (&body["owner"], &body["state"], &body["task_url"]),
        (&"olga".into(), &"waiting_for_user".into(), &"https://example.test/task".into())
    );
}

async fn a_notice_of_the_pipeline_is_queued_once_per_key(world: &World) {
    one(world).await;
    assert_eq!(due(world).await.len(), 1);
    let entries = world.ledger.entries_after(0, 100).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.kind == "notice.queued").count(), 1);
}

async fn a_delivered_notice_is_no_longer_due(world: &World) {
    let notice = one(world).await;
    for _ in 0..2 {
        assert!(matches!(world.write(Command::Delivered { notice: notice.id }).await, Reply::Done));
    }
    assert!(due(world).await.is_empty());
    let row = world.ledger.notices().await.unwrap().remove(0);
    assert_eq!((row.delivered_at, row.tries), (Some(world.now()), 1));
    let failed = Command::Undelivered { notice: notice.id, error: "late".into(), next_at: None };
    assert!(world.write(failed).await.is_stale());
    assert!(world.write(Command::Delivered { notice: NoticeId::new(world.now(), 1) }).await.is_stale());
}

async fn a_notice_that_fails_is_due_again_later_and_at_last_given_up(world: &World) {
    let notice = one(world).await;
    let next = world.now().plus(HOUR);
    let failed = |next_at| Command::Undelivered { notice: notice.id, error: "503".into(), next_at };
    assert!(matches!(world.write(failed(Some(next))).await, Reply::Done));
    let row = due(world).await.remove(0);
    assert_eq!((row.tries, row.next_at, row.last_error.as_deref()), (1, Some(next), Some("503")));
    world.pass(HOUR);
    assert!(matches!(world.write(failed(None)).await, Reply::Done));
    assert!(due(world).await.is_empty());
    let row = world.ledger.notices().await.unwrap().remove(0);
    assert_eq!((row.dead_at, row.delivered_at, row.tries), (Some(world.now()), None, 2));
    assert!(world.write(failed(None)).await.is_stale());
    let entries = world.ledger.entries_after(0, 100).await.unwrap();
    assert_eq!(entries.last().unwrap().kind, "notice.given_up");
}
