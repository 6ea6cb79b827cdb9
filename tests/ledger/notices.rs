//! The outbox: once per thing to tell, delivered or given up at each receiver, never lost.

use sluicegate::{
    job::{Event, NoticeId, RemoteState, Timestamp},
    ledger::{
        By, Command, Reply,
        mail::{Mail, NoticeAct},
        outbox::{NoticeFilter, NoticeState},
        rows::{NoticeRow, SummaryRow},
    },
    policy::notices::{Decision, Deposit},
};

use crate::ledger::{
    orders::{HOUR, order},
    world::{World, on_both_stores},
};

on_both_stores![
    each_waiting_episode_is_told_once,
    a_notice_of_the_pipeline_is_queued_once_per_key,
    a_notice_waits_for_each_of_its_receivers_by_itself,
    a_notice_is_routed_once,
    a_notice_that_fails_is_due_again_later_and_at_last_given_up,
    what_a_route_drops_is_nobody_s_and_on_record,
    what_goes_together_keeps_its_name_and_its_members,
    a_person_has_what_was_given_up_tried_again,
    notices_from_before_there_were_routes_are_read_and_taken_up,
    the_log_is_read_by_receiver_state_kind_and_job,
    what_requests_touch_is_known_by_position,
    a_request_that_is_long_over_is_told_from_others_and_what_needs_somebody_is_found,
    it_is_known_what_agents_are_through_with_and_when_they_began,
];

async fn due(world: &World) -> Vec<NoticeRow> {
    world.ledger.notices_unrouted(100).await.unwrap()
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
    let id = one(world).await.id;
    let ending = async |end: &str| world.ledger.notices_ending(end).await.unwrap();
    assert_eq!(ending(&id.to_string()[28..]).await[0].id, id);
    assert!(ending("%").await.is_empty());
    assert_eq!(due(world).await.len(), 1);
    let entries = world.ledger.entries_after(0, 100).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.kind == "notice.queued").count(), 1);
}

fn decision(to: &[(&str, Timestamp, bool)]) -> Decision {
    let deposit = |(sink, at, digest): &(&str, Timestamp, bool)| Deposit {
        sink: (*sink).to_owned(),
        at: *at,
        digest: *digest,
    };
    Decision { route: "route 1".into(), to: to.iter().map(deposit).collect() }
}

async fn routed(world: &World, to: &[(&str, Timestamp, bool)]) -> NoticeId {
    let notice = one(world).await.id;
    let routed = Mail::Routed { notice, decision: decision(to) };
    assert!(matches!(world.write(Command::Mail(routed)).await, Reply::Done));
    notice
}

fn delivered(notice: NoticeId, sink: &str) -> Command {
    Command::Mail(Mail::Delivered { notices: vec![notice], sink: sink.into() })
}

fn failed(notice: NoticeId, sink: &str, next_at: Option<Timestamp>) -> Command {
    let (sink, error) = (sink.to_owned(), "503".to_owned());
    Command::Mail(Mail::Failed { notices: vec![notice], sink, error, next_at })
}

async fn row(world: &World, id: NoticeId) -> NoticeRow {
    world.ledger.notice(id).await.unwrap().unwrap()
}

async fn at(world: &World, sink: &str) -> Vec<NoticeId> {
    let due = world.ledger.mailings_due(sink, world.now(), 100).await.unwrap();
    due.into_iter().map(|row| row.notice_id).collect()
}

/// The kinds of all entries about notices, the queueing left out.
async fn told(world: &World) -> Vec<String> {
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    let kinds = entries.into_iter().map(|entry| entry.kind);
    kinds.filter(|kind| kind.starts_with("notice.") && kind != "notice.queued").collect()
}

async fn whole(world: &World) {
    assert_eq!(world.ledger.broken_invariants().await.unwrap(), Vec::<String>::new());
}

async fn a_notice_waits_for_each_of_its_receivers_by_itself(world: &World) {
    let now = world.now();
    let notice = routed(world, &[("mail", now, false), ("slack", now, false)]).await;
    assert!(due(world).await.is_empty(), "it was taken up");
    assert_eq!((at(world, "mail").await, at(world, "slack").await), (vec![notice], vec![notice]));
    assert!(matches!(world.write(delivered(notice, "mail")).await, Reply::Done));
    assert!(world.write(delivered(notice, "mail")).await.is_stale(), "once");
    assert_eq!((at(world, "mail").await, at(world, "slack").await), (vec![], vec![notice]));
    let half = row(world, notice).await;
    assert_eq!((half.delivered_at, half.next_at, half.tries), (None, Some(now), 1));
    whole(world).await;
    assert!(matches!(world.write(delivered(notice, "slack")).await, Reply::Done));
    let all = row(world, notice).await;
    assert_eq!((all.delivered_at, all.next_at, all.tries), (Some(world.now()), None, 2));
    assert_eq!(all.route.as_deref(), Some("route 1"));
    assert!(world.write(failed(notice, "slack", None)).await.is_stale());
    assert!(world.write(delivered(NoticeId::new(now, 1), "mail")).await.is_stale());
    assert_eq!(told(world).await, ["notice.delivered"; 2]);
    whole(world).await;
}

async fn a_notice_is_routed_once(world: &World) {
    let notice = routed(world, &[("mail", world.now(), false)]).await;
    let other = Mail::Routed { notice, decision: decision(&[("slack", world.now(), false)]) };
    assert!(world.write(Command::Mail(other)).await.is_stale());
    assert!(at(world, "slack").await.is_empty());
}

async fn a_notice_that_fails_is_due_again_later_and_at_last_given_up(world: &World) {
    let notice = routed(world, &[("mail", world.now(), false), ("slack", world.now(), false)]).await;
    let next = world.now().plus(HOUR);
    assert!(matches!(world.write(failed(notice, "mail", Some(next))).await, Reply::Done));
    assert!(at(world, "mail").await.is_empty());
    assert_eq!(world.ledger.next_delivery("mail").await.unwrap(), Some(next));
    world.write(delivered(notice, "slack")).await;
    let waits = row(world, notice).await;
    assert_eq!((waits.tries, waits.next_at, waits.last_error.as_deref()), (2, Some(next), Some("503")));
    world.pass(HOUR);
    assert_eq!(at(world, "mail").await, [notice]);
    assert!(matches!(world.write(failed(notice, "mail", None)).await, Reply::Done));
    let over = row(world, notice).await;
    assert_eq!(
        (over.dead_at, over.delivered_at, over.next_at, over.tries),
        (Some(world.now()), None, None, 3)
    );
    assert!(world.write(failed(notice, "mail", None)).await.is_stale());
    assert_eq!(told(world).await, ["notice.delivered", "notice.given_up"]);
    whole(world).await;
}

async fn what_a_route_drops_is_nobody_s_and_on_record(world: &World) {
    let notice = routed(world, &[]).await;
    let dropped = row(world, notice).await;
    assert_eq!((dropped.next_at, dropped.delivered_at, dropped.dead_at), (None, None, None));
    assert_eq!(told(world).await, ["notice.dropped"]);
    let filter = NoticeFilter { state: Some(NoticeState::Dropped), ..NoticeFilter::default() };
    assert_eq!(world.ledger.notices_like(&filter, None, 9).await.unwrap().unwrap().len(), 1);
    whole(world).await;
}

async fn what_goes_together_keeps_its_name_and_its_members(world: &World) {
    let (now, later) = (world.now(), world.now().plus(HOUR));
    let first = routed(world, &[("mail", later, true)]).await;
    assert!(at(world, "mail").await.is_empty());
    world.pass(HOUR);
    let bundle = |notices| Command::Mail(Mail::Bundled { notices, sink: "mail".into() });
    assert!(matches!(world.write(bundle(vec![first])).await, Reply::Done));
    assert!(world.write(bundle(vec![first])).await.is_stale(), "it has a name");
    let rows = world.ledger.mailings_due("mail", world.now(), 9).await.unwrap();
    let digest = rows[0].digest_id.unwrap();
    assert_eq!(world.ledger.bundle(digest).await.unwrap(), rows);
    world.write(failed(first, "mail", Some(world.now()))).await;
    assert_eq!(world.ledger.bundle(digest).await.unwrap().len(), 1, "and keeps it");
    world.write(delivered(first, "mail")).await;
    assert!(world.ledger.bundle(digest).await.unwrap().is_empty());
    assert!(row(world, first).await.delivered_at.is_some_and(|at| at > now));
}

async fn a_person_has_what_was_given_up_tried_again(world: &World) {
    let now = world.now();
    let notice = routed(world, &[("mail", now, false), ("slack", now, false)]).await;
    let retry = |sink: Option<&str>| Command::NoticeAct {
        act: NoticeAct::Retry { notice, sink: sink.map(str::to_owned) },
        by: By::new("ana", "the server is back"),
    };
    assert!(matches!(world.write(retry(None)).await, Reply::Conflict(_)), "nothing was given up");
    for sink in ["mail", "slack"] {
        world.write(failed(notice, sink, None)).await;
    }
    assert!(matches!(world.write(retry(Some("nobody"))).await, Reply::Conflict(_)));
    assert!(matches!(world.write(retry(Some("mail"))).await, Reply::Done));
    assert_eq!((at(world, "mail").await, at(world, "slack").await), (vec![notice], vec![]));
    assert_eq!(row(world, notice).await.next_at, Some(world.now()));
    world.write(delivered(notice, "mail")).await;
    assert!(row(world, notice).await.dead_at.is_some(), "the other one does not have it");
    assert!(matches!(world.write(retry(None)).await, Reply::Done));
    world.write(delivered(notice, "slack")).await;
    assert!(row(world, notice).await.delivered_at.is_some());
    let entries = world.ledger.entries_after(0, 1_000).await.unwrap();
    let retried: Vec<_> = entries.iter().filter(|entry| entry.kind == "notice.retried").collect();
    assert_eq!(retried.len(), 2);
    assert_eq!(retried[0].actor, "ana");
    assert!(retried[0].body_json.contains("the server is back"));
    whole(world).await;
}

/// As an older version left them.
async fn notices_from_before_there_were_routes_are_read_and_taken_up(world: &World) {
    let notice = one(world).await;
    let given_up =
        format!("UPDATE outbox SET dead_at = 1, next_at = NULL, tries = 12 WHERE id = '{}'", notice.id);
    world.sql(&given_up).await.unwrap();
    assert!(due(world).await.is_empty());
    let old = row(world, notice.id).await;
    assert_eq!((old.route, old.tries), (None, 12));
    let retry = NoticeAct::Retry { notice: notice.id, sink: None };
    let retry = Command::NoticeAct { act: retry, by: By::new("ana", "") };
    assert!(matches!(world.write(retry).await, Reply::Done));
    assert_eq!(due(world).await.len(), 1);
    whole(world).await;
}

async fn the_log_is_read_by_receiver_state_kind_and_job(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let mut ids = Vec::new();
    for (n, kind) in ["job.dead", "job.overdue", "desk.reminder"].into_iter().enumerate() {
        world.pass(HOUR);
        let body = serde_json::json!({});
        let job = (n < 2).then_some(job);
        world.write(Command::Notice { dedup: kind.into(), kind: kind.into(), job, body }).await;
        let notice = due(world).await.remove(0).id;
        let to = decision(&[("mail", world.now(), false), ("slack", world.now(), false)]);
        world.write(Command::Mail(Mail::Routed { notice, decision: to })).await;
        world.write(delivered(notice, "slack")).await;
        ids.push(notice);
    }
    world.write(failed(ids[0], "mail", None)).await;
    let find = async |filter: NoticeFilter, after| -> Vec<NoticeId> {
        let found = world.ledger.notices_like(&filter, after, 9).await.unwrap().unwrap();
        found.into_iter().map(|row| row.id).collect()
    };
    let all = NoticeFilter::default();
    assert_eq!(find(all.clone(), None).await, [ids[2], ids[1], ids[0]]);
    assert_eq!(find(all.clone(), Some(ids[2])).await, [ids[1], ids[0]]);
    let state = |state, sink: Option<&str>| NoticeFilter {
        state: Some(state),
        sink: sink.map(str::to_owned),
        ..NoticeFilter::default()
    };
    assert_eq!(find(state(NoticeState::GivenUp, None), None).await, [ids[0]]);
    assert_eq!(find(state(NoticeState::Delivered, Some("slack")), None).await.len(), 3);
    assert_eq!(find(state(NoticeState::Waiting, Some("mail")), None).await, [ids[2], ids[1]]);
    assert!(find(state(NoticeState::Waiting, Some("slack")), None).await.is_empty());
    let kind = NoticeFilter { kind: Some("job.*".into()), ..NoticeFilter::default() };
    assert_eq!(find(kind, None).await, [ids[1], ids[0]]);
    let of_job = NoticeFilter { job: Some(job), kind: Some("job.dead".into()), ..NoticeFilter::default() };
    assert_eq!(find(of_job, None).await, [ids[0]]);
    let nobody = NoticeId::new(world.now(), 1);
    assert_eq!(world.ledger.notices_like(&all, Some(nobody), 9).await.unwrap(), None);
    let waiting = world.ledger.mailings_waiting().await.unwrap();
    assert_eq!((waiting.len(), waiting[0].sink.as_str(), waiting[0].number), (1, "mail", 2));
}

async fn what_requests_touch_is_known_by_position(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let request = world.job(job).await.request_id;
    let head = world.ledger.head().await.unwrap().seq;
    assert_eq!(world.ledger.requests_touched(0, head).await.unwrap(), [request]);
    assert!(world.ledger.requests_touched(head, head).await.unwrap().is_empty());
    assert_eq!(world.ledger.requests_at_work().await.unwrap(), [request]);
    assert_eq!(
        (world.ledger.summed_up().await.unwrap(), world.ledger.spent_by(request).await.unwrap()),
        (None, 0)
    );
    let summary = SummaryRow {
        id: format!("{request}/issue"),
        request_id: request,
        sink: "issue".into(),
        seq: head,
        handle: None,
        digest: None,
        sent_at: None,
        tries: 0,
        next_at: Some(world.now()),
        dead_at: None,
        last_error: None,
    };
    let told = SummaryRow { handle: Some("7".into()), next_at: None, ..summary.clone() };
    for rows in [vec![summary.clone()], vec![told.clone()]] {
        world.write(Command::Mail(Mail::Summaries { rows })).await;
    }
    assert_eq!(world.ledger.summaries_of(&[request]).await.unwrap(), [told]);
    assert!(world.ledger.summaries_waiting(9).await.unwrap().is_empty());
    assert_eq!(world.ledger.summed_up().await.unwrap(), Some(head));
}

async fn a_request_that_is_long_over_is_told_from_others_and_what_needs_somebody_is_found(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let request = world.job(job).await.request_id;
    let alive = async |since| world.ledger.requests_alive(&[request], since).await.unwrap();
    world.pass(HOUR);
    assert_eq!(alive(world.now()).await, [request], "it is at work, however old it is");
    let attempt = world.running(job).await;
    assert!(world.ledger.jobs_for_somebody(request).await.unwrap().is_empty());
    world.see(&attempt, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    assert_eq!(world.ledger.jobs_for_somebody(request).await.unwrap()[0].id, job);
    world.act(job, Event::Cancelled).await;
    assert!(world.ledger.jobs_for_somebody(request).await.unwrap().is_empty());
    let ended = world.now();
    assert_eq!(alive(ended).await, [request], "it has just ended");
    assert!(alive(ended.plus(HOUR)).await.is_empty());
    assert!(world.ledger.requests_alive(&[], ended).await.unwrap().is_empty());
}

async fn it_is_known_what_agents_are_through_with_and_when_they_began(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c"])).await;
    let request = world.job(jobs[0]).await.request_id;
    let through = async || world.ledger.through_with(request).await.unwrap();
    assert_eq!(through().await, (0, None));
    let attempt = world.running(jobs[0]).await;
    let began = attempt.started_at;
    assert!(began.is_some());
    world.pass(HOUR);
    world.running(jobs[1]).await;
    assert_eq!(through().await, (0, began));
    world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
    world.step(jobs[0], Event::Quarantined).await;
    world.act(jobs[1], Event::Cancelled).await;
    assert_eq!(through().await, (1, began), "what was withdrawn says nothing of how long it takes");
    world.sql(&format!("UPDATE jobs SET wave = 1 WHERE id = '{}'", jobs[2])).await.unwrap();
    assert_eq!(through().await, (0, None), "before a wave, people decide");
    let began = world.running(jobs[2]).await.started_at;
    assert_eq!(through().await, (0, began));
}
