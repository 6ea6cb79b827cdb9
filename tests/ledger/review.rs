//! After the task: review, quarantine, dead letters and their replays.

use sluicegate::{
    job::{Event, JobId, Pull, RemoteState, State},
    ledger::{
        By, Command, Reply, Warrant,
        rows::{AttemptRow, Phase},
    },
};

use crate::ledger::{
    orders::{Order, order, reviewed},
    world::{World, by, on_both_stores, step},
};

on_both_stores![
    a_merge_frees_the_reviewer_and_the_blast_radius,
    a_close_ends_the_job_as_rejected_and_frees_the_same,
    a_result_without_a_pull_request_is_accepted,
    an_illegal_step_changes_nothing,
    a_quarantined_result_keeps_its_reviewer_until_somebody_looks,
    each_quarantine_is_told,
    nobody_lets_their_own_result_pass,
    nothing_but_an_approval_lets_a_held_job_queue,
    a_dead_letter_is_replayed_once_and_stays_as_it_is,
    only_a_dead_letter_that_was_not_discarded_is_replayed,
    a_discarded_dead_letter_stays_in_the_ledger,
    a_deadline_that_passed_ends_a_waiting_job,
];

fn pull(number: u64) -> Box<Pull> {
    Box::new(Pull {
        number,
        database_id: 77,
        node_id: None,
        html_url: None,
        title: "Upgrade".into(),
        open: true,
        draft: false,
        merged: false,
        head_ref: "agent/fix".into(),
        head_sha: "abc".into(),
        base_ref: "main".into(),
        labels: Vec::new(),
        requested_reviewers: vec!["ana".into()],
        merged_by: None,
        author: None,
        updated_at: None,
        changed_files: Some(2),
        changed_lines: None,
    })
}

pub async fn in_review(world: &World, name: &str) -> (JobId, AttemptRow) {
    let job = world.submit(reviewed(&[name])).await[0];
    let attempt = world.running(job).await;
    world.see_cost(&attempt, 3, Event::Completed).await;
    let event = Event::ReviewRequested;
    let command = Command::Step {
        job,
        event,
        pull: Some(pull(12)),
        failure: None,
        note: None,
        due_at: None,
        warrant: Warrant::Free,
    };
    assert!(matches!(world.write(command).await, Reply::Done));
    (job, world.attempt(&attempt).await)
}

async fn dead(world: &World, name: &str) -> JobId {
    let job = world.submit(order(&[name])).await[0];
    let attempt = world.running(job).await;
    world.see(&attempt, RemoteState::Failed, Some(Event::GaveUp)).await;
    job
}

async fn a_merge_frees_the_reviewer_and_the_blast_radius(world: &World) {
    let (job, attempt) = in_review(world, "a").await;
    let row = world.job(job).await;
    assert_eq!((row.state, row.pull_number, row.pull().unwrap().number), (State::InReview, Some(12), 12));
    assert_eq!((attempt.phase, world.used("pool/reviewers/ana").await), (Phase::Done, 1));
    assert!(matches!(world.step(job, Event::Merged).await, Reply::Done));
    assert!(world.step(job, Event::Merged).await.is_stale());
    assert_eq!(
        (world.state(job).await, world.attempt(&attempt).await.phase),
        (State::Succeeded, Phase::Ended)
    );
    assert_eq!(
        (world.used("pool/reviewers/ana").await, world.used("unproven/template/upgrade").await),
        (0, 0)
    );
    let expected = ["job.admitted", "job.started", "job.completed", "job.review_requested", "job.merged"];
    assert_eq!(world.history(job).await, expected);
}

async fn a_close_ends_the_job_as_rejected_and_frees_the_same(world: &World) {
    let (job, _) = in_review(world, "a").await;
    world.step(job, Event::Closed).await;
    assert_eq!(world.state(job).await, State::Rejected);
    assert_eq!(
        (world.used("pool/reviewers/ana").await, world.used("unproven/template/upgrade").await),
        (0, 0)
    );
}

async fn a_result_without_a_pull_request_is_accepted(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let attempt = world.running(job).await;
    world.see(&attempt, RemoteState::Completed, Some(Event::Completed)).await;
    world.step(job, Event::Accepted).await;
    assert_eq!(
        (world.state(job).await, world.used("unproven/template/upgrade").await),
        (State::Succeeded, 0)
    );
}

async fn an_illegal_step_changes_nothing(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let before = (world.ledger.head().await.unwrap(), world.job(job).await);
    for event in Event::ALL {
        if !matches!(event, Event::Admitted | Event::Cancelled | Event::Expired) {
            assert!(world.step(job, event).await.is_stale(), "{event:?}");
        }
    }
    assert!(world.write(step(JobId::new(world.now(), 3), Event::Merged)).await.is_stale());
    assert_eq!((world.ledger.head().await.unwrap(), world.job(job).await), before);
}

async fn a_quarantined_result_keeps_its_reviewer_until_somebody_looks(world: &World) {
    let (job, attempt) = in_review(world, "a").await;
    world.step(job, Event::Quarantined).await;
    assert_eq!((world.state(job).await, world.used("pool/reviewers/ana").await), (State::Quarantined, 1));
    world.act(job, Event::Discarded).await;
    assert_eq!((world.state(job).await, world.used("pool/reviewers/ana").await), (State::Dead, 0));
    assert_eq!(world.attempt(&attempt).await.phase, Phase::Ended);
}

async fn each_quarantine_is_told(world: &World) {
    let (job, _) = in_review(world, "a").await;
    for _ in 0..2 {
        world.step(job, Event::Quarantined).await;
        world.act(job, Event::Released).await;
    }
    assert_eq!(world.state(job).await, State::Verifying);
    assert_eq!(world.ledger.notices_of(job).await.unwrap().len(), 2);
}

async fn nobody_lets_their_own_result_pass(world: &World) {
    let (job, _) = in_review(world, "a").await;
    world.step(job, Event::Quarantined).await;
    let own = By::new("Olga", "fine by me");
    let Reply::Conflict(why) = world.write(Command::Act { job, event: Event::Released, by: own }).await
    else {
        panic!()
    };
    assert!(why.contains("somebody else must"), "{why}");
    assert!(matches!(world.act(job, Event::Released).await, Reply::Done));
}

/// An approval counts who may give it; an act does not.
async fn nothing_but_an_approval_lets_a_held_job_queue(world: &World) {
    let jobs = world.submit(Order { hold: true, ..order(&["a"]) }).await;
    for reply in [world.act(jobs[0], Event::Approved).await, world.step(jobs[0], Event::Approved).await] {
        let (Reply::Conflict(why) | Reply::Stale(why)) = reply else { panic!("{reply:?}") };
        assert!(why.contains("comes only with its own command"), "{why}");
    }
    assert_eq!(world.state(jobs[0]).await, State::Held);
}

async fn a_dead_letter_is_replayed_once_and_stays_as_it_is(world: &World) {
    let job = dead(world, "a").await;
    let before = world.job(job).await;
    let new = JobId::new(world.now(), world.draw());
    let replay = |new| Command::Replay { job, new, by: by() };
    let Reply::Replayed { job: first, already: false } = world.write(replay(new)).await else { panic!() };
    assert_eq!(first, new);
    let again = replay(JobId::new(world.now(), world.draw()));
    let Reply::Replayed { job: second, already: true } = world.write(again).await else { panic!() };
    assert_eq!((second, world.job(job).await), (new, before));
    let fresh = world.job(new).await;
    assert_eq!((fresh.state, fresh.replay_of, fresh.attempts), (State::Queued, Some(job), 0));
    assert_eq!(world.ledger.decided_jobs(&[fresh.request_id]).await.unwrap().len(), 1, "it was decided once");
    assert_eq!(world.ledger.prompt(new).await.unwrap(), world.ledger.prompt(job).await.unwrap());
    assert_eq!(world.admitted(new).await.number, 1);
    assert_eq!(world.history(new).await, ["job.queued", "job.admitted"]);
}

async fn only_a_dead_letter_that_was_not_discarded_is_replayed(world: &World) {
    let waiting = world.submit(order(&["a"])).await[0];
    let job = dead(world, "b").await;
    world.write(Command::Discard { job, by: by() }).await;
    for (job, word) in [(waiting, "queued"), (job, "discarded"), (JobId::new(world.now(), 3), "not known")] {
        let new = JobId::new(world.now(), world.draw());
        let Reply::Conflict(why) = world.write(Command::Replay { job, new, by: by() }).await else {
            panic!()
        };
        assert!(why.contains(word), "{why}");
    }
}

async fn a_discarded_dead_letter_stays_in_the_ledger(world: &World) {
    let job = dead(world, "a").await;
    for _ in 0..2 {
        assert!(matches!(world.write(Command::Discard { job, by: by() }).await, Reply::Done));
    }
    let row = world.job(job).await;
    assert_eq!((row.state, row.discarded_at), (State::Dead, Some(world.now())));
    let told = world.history(job).await;
    assert_eq!(told.iter().filter(|kind| *kind == "job.dead_letter_discarded").count(), 1);
    let waiting = world.submit(order(&["b"])).await[0];
    assert!(matches!(world.write(Command::Discard { job: waiting, by: by() }).await, Reply::Conflict(_)));
}

async fn a_deadline_that_passed_ends_a_waiting_job(world: &World) {
    let (command, jobs) = world.submission(&order(&["a", "b"]));
    let Command::Submit { request, jobs: mut new } = command else { panic!() };
    new[0].row.deadline_at = Some(world.now());
    world.write(Command::Submit { request, jobs: new }).await;
    let late = world.ledger.jobs_past_deadline(world.now()).await.unwrap();
    assert_eq!(late.iter().map(|job| job.id).collect::<Vec<_>>(), [jobs[0]]);
    world.step(jobs[0], Event::Expired).await;
    assert_eq!(world.state(jobs[0]).await, State::Dead);
}
