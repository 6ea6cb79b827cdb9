//! What is told after a commit, and what happens when its answer is lost or one command of a batch cannot be written.

use std::sync::Arc;

use sluicegate::{
    job::{AttemptId, Event, JobId, RemoteState, State},
    ledger::{Command, Committed, LedgerError, Reply, rows::EvidenceRow},
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::ledger::{
    orders::{Order, order, reviewed},
    world::{World, by, on_both_stores},
};

on_both_stores![
    what_is_told_is_what_was_changed,
    a_feed_that_is_ended_still_tells_what_was_committed_before,
    a_refusal_tells_the_figures_too,
    a_command_that_cannot_be_written_does_not_hurt_the_others,
    a_long_batch_is_written_whole,
    a_commit_whose_answer_is_lost_is_told_and_repeating_doubles_nothing,
    text_with_a_nul_is_kept_without_it,
];

fn told(feed: &mut UnboundedReceiver<Arc<Committed>>) -> Vec<Arc<Committed>> {
    let mut told = Vec::new();
    while let Ok(committed) = feed.try_recv() {
        told.push(committed);
    }
    told
}

async fn what_is_told_is_what_was_changed(world: &World) {
    let mut feed = world.ledger.feed();
    let jobs = world.submit(reviewed(&["a", "b"])).await;
    let submitted = told(&mut feed).remove(0);
    assert_eq!(submitted.jobs.iter().map(|job| job.id).collect::<Vec<_>>(), jobs);
    let attempt = world.running(jobs[0]).await;
    world.see(&attempt, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    let all = told(&mut feed);
    assert_eq!(all.len(), 3);
    let last = all.last().unwrap();
    assert_eq!(last.seq, world.ledger.head().await.unwrap().seq);
    assert_eq!(last.jobs, [world.job(jobs[0]).await]);
    assert_eq!(last.attempts, [world.attempt(&attempt).await]);
    assert!(last.notices && !all[0].notices);
    let truths = world.ledger.truths().await.unwrap();
    for committed in &all {
        for truth in &committed.truths {
            assert!(truth.version <= committed.seq, "{truth:?}");
        }
    }
    let mut freed: Vec<_> = last.truths.iter().filter(|truth| truth.version == last.seq).cloned().collect();
    freed.sort_by(|a, b| a.key.cmp(&b.key));
    let slots: Vec<_> = truths.into_iter().filter(|truth| truth.key.name() == "slots").collect();
    assert_eq!(freed, slots);
}

async fn a_feed_that_is_ended_still_tells_what_was_committed_before(world: &World) {
    let mut feed = world.ledger.feed();
    world.submit(order(&["a"])).await;
    world.ledger.end_feed();
    world.submit(order(&["b"])).await;
    assert_eq!(feed.recv().await.unwrap().jobs.len(), 1);
    assert!(feed.recv().await.is_none());
}

async fn a_refusal_tells_the_figures_too(world: &World) {
    let jobs = world.submit(order(&["a", "b", "c", "d"])).await;
    for job in &jobs[..3] {
        world.admitted(*job).await;
    }
    let answers = world.ledger.write_all(vec![world.admission(jobs[3], world.worker)]).await;
    let (reply, committed) = answers.into_iter().next().unwrap().unwrap();
    assert!(matches!(reply, Reply::Refused(_)));
    let truth = committed.truths.iter().find(|truth| truth.key.as_str() == "slots/global").unwrap();
    assert_eq!((truth.used.get(), truth.limit.unwrap().get()), (3, 3));
    assert!(committed.jobs.is_empty() && committed.attempts.is_empty());
}

async fn a_command_that_cannot_be_written_does_not_hurt_the_others(world: &World) {
    let jobs = world.submit(order(&["a", "b"])).await;
    let stray = EvidenceRow {
        id: "e".into(),
        attempt_id: AttemptId::new(world.now(), 1),
        job_id: jobs[0],
        kind: "result".into(),
        at: world.now(),
        body_json: "{}".into(),
    };
    let commands = vec![
        world.admission(jobs[0], world.worker),
        Command::Evidence { rows: vec![stray] },
        world.admission(jobs[1], world.worker),
    ];
    let answers = world.ledger.write_all(commands).await;
    assert!(matches!(answers[0], Ok((Reply::Admitted { .. }, _))));
    assert!(matches!(answers[1], Err(LedgerError::Refused(_))), "{:?}", answers[1]);
    assert!(matches!(answers[2], Ok((Reply::Admitted { .. }, _))));
    assert_eq!(world.used("slots/global").await, 2);
}

/// So many that the history is written in several parts.
async fn a_long_batch_is_written_whole(world: &World) {
    let names: Vec<String> = (0..300).map(|number| format!("other/r{number}")).collect();
    let jobs = world.submit(Order { repositories: names, ..order(&[]) }).await;
    let cancel = |job: &JobId| Command::Act { job: *job, event: Event::Cancelled, by: by() };
    let mut feed = world.ledger.feed();
    let answers = world.ledger.write_all(jobs.iter().map(cancel).collect()).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok((Reply::Done, _)))), "{answers:?}");
    let told: usize = told(&mut feed).iter().map(|told| told.jobs.len()).sum();
    assert_eq!(told, jobs.len());
    for job in &jobs {
        assert_eq!(world.state(*job).await, State::Cancelled);
        assert_eq!(world.history(*job).await, ["job.cancelled"]);
    }
}

/// Writes until there is an answer, as callers do.
async fn persist(world: &World, command: Command) -> Reply {
    loop {
        match world.ledger.write(command.clone()).await {
            Ok(reply) => return reply,
            Err(LedgerError::Unavailable(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

async fn a_commit_whose_answer_is_lost_is_told_and_repeating_doubles_nothing(world: &World) {
    let mut feed = world.ledger.feed();
    world.ledger.lose_every_nth_answer(2);
    let mut jobs = Vec::new();
    for name in ["a", "b", "c"] {
        let (command, ids) = world.submission(&reviewed(&[name]));
        persist(world, command).await;
        jobs.extend(ids);
    }
    for job in &jobs {
        let Reply::Admitted { attempt, .. } = persist(world, world.admission(*job, world.worker)).await
        else {
            panic!()
        };
        let task = Box::new(crate::ledger::orders::task(&attempt, RemoteState::Queued));
        let (job, id, fence) = (*job, attempt.id, world.worker);
        let started = Command::Started { job, attempt: id, fence, task, found: false };
        assert!(matches!(persist(world, started).await, Reply::Done));
        let task = crate::ledger::orders::task(&attempt, RemoteState::WaitingForUser);
        persist(world, world.sighting(&attempt, task, Some(Event::NeedsUser))).await;
        persist(world, Command::Act { job, event: Event::Cancelled, by: by() }).await;
        let task = crate::ledger::orders::task(&attempt, RemoteState::Completed);
        persist(world, world.sighting(&attempt, task, None)).await;
    }
    world.ledger.lose_every_nth_answer(0);
    world.submit(order(&["last"])).await;
    for job in &jobs {
        assert_eq!(world.state(*job).await, State::Cancelled);
        assert_eq!(world.ledger.attempts_of(*job).await.unwrap().len(), 1);
        assert_eq!(world.ledger.notices_of(*job).await.unwrap().len(), 1);
        let expected = ["job.admitted", "job.started", "job.needs_user", "job.cancelled", "attempt.late_end"];
        assert_eq!(world.history(*job).await, expected);
    }
    // The process was told of every entry's transaction, in order, once.
    let seqs: Vec<i64> =
        told(&mut feed).iter().filter(|told| !told.jobs.is_empty()).map(|told| told.seq).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    assert_eq!(seqs.len(), 3 + 3 * 4 + 1);
}

async fn text_with_a_nul_is_kept_without_it(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    let attempt = world.running(jobs[0]).await;
    let by = sluicegate::ledger::By::new("ol\0ga", "be\0cause \\u0000");
    assert!(matches!(
        world.write(Command::Act { job: jobs[0], event: Event::Cancelled, by }).await,
        Reply::Done
    ));
    let mut task = crate::ledger::orders::task(&attempt, RemoteState::InProgress);
    task.html_url = Some("https://example.test/\0".into());
    assert!(matches!(world.write(world.sighting(&attempt, task, None)).await, Reply::Done));
    assert_eq!(world.attempt(&attempt).await.task_url.as_deref(), Some("https://example.test/\u{fffd}"));
    assert_eq!(world.ledger.verify().await.unwrap().broken, None);
}
