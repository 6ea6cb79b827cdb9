//! Each invariant can fail: rows are changed behind the ledger's back, and the check says so by name.

use sluicegate::{
    job::{Event, JobId, RemoteState},
    ledger::{Command, ScheduleChange},
};

use crate::ledger::{
    orders::{order, reviewed},
    world::{World, on_both_stores},
};

on_both_stores![
    a_lost_job_shows,
    a_state_that_the_history_does_not_know_shows,
    an_end_that_never_happened_shows,
    a_second_open_attempt_shows,
    an_attempt_of_a_waiting_job_shows,
    an_attempt_that_nobody_authorised_shows,
    a_figure_that_is_not_the_sum_of_its_holds_shows,
    a_hold_without_a_figure_shows,
    an_admission_over_the_limit_shows,
    slots_of_an_agent_that_rests_show,
    an_agent_that_works_without_slots_shows,
    a_hold_of_an_ended_attempt_shows,
    a_token_that_is_not_its_workers_shows,
    a_dead_letter_that_was_trimmed_shows,
    a_missing_notice_shows,
    a_second_notice_for_one_episode_shows,
    a_second_request_for_one_time_of_a_schedule_shows,
];

/// A job that runs, one that waits, and one that is dead.
async fn scene(world: &World) -> [JobId; 3] {
    let jobs = world.submit(reviewed(&["a", "b", "c"])).await;
    world.running(jobs[0]).await;
    let dead = world.running(jobs[2]).await;
    world.see(&dead, RemoteState::WaitingForUser, Some(Event::NeedsUser)).await;
    world.see(&dead, RemoteState::Failed, Some(Event::GaveUp)).await;
    assert_eq!(world.broken().await, Vec::<String>::new());
    [jobs[0], jobs[1], jobs[2]]
}

/// The statements must break exactly what begins with `said`.
async fn breaks(world: &World, statements: &str, said: &[&str]) {
    world.sql(statements).await.unwrap();
    let broken = world.broken().await;
    assert_eq!(broken.len(), said.len(), "{broken:?}");
    for (line, said) in broken.iter().zip(said) {
        assert!(line.starts_with(said), "`{line}` does not begin with `{said}`");
    }
}

async fn a_lost_job_shows(world: &World) {
    let [_, waiting, _] = scene(world).await;
    let statements =
        format!("DELETE FROM prompts WHERE job_id = '{waiting}'; DELETE FROM jobs WHERE id = '{waiting}'");
    breaks(world, &statements, &["I1 request"]).await;
}

async fn a_state_that_the_history_does_not_know_shows(world: &World) {
    let [running, ..] = scene(world).await;
    let statements = format!("UPDATE jobs SET state = 'start_unknown' WHERE id = '{running}'");
    breaks(world, &statements, &[&format!("I1 job {running} is start_unknown, its history left it running")])
        .await;
}

async fn an_end_that_never_happened_shows(world: &World) {
    let [_, waiting, _] = scene(world).await;
    let statements = format!("UPDATE jobs SET state = 'cancelled' WHERE id = '{waiting}'");
    breaks(world, &statements, &[&format!("I1 job {waiting} is cancelled, but nothing has happened")]).await;
}

fn copy_attempt(from: JobId, to: JobId, number: u32) -> String {
    let rest = "phase, nonce, worker_id, token, identity, intent_at, started_at, counted";
    format!(
        "INSERT INTO attempts (id, job_id, number, task_id, {rest}) \
         SELECT '00000000-0000-7000-8000-00000000000{number}', '{to}', {number}, 'other', {rest} \
         FROM attempts WHERE job_id = '{from}'"
    )
}

async fn a_second_open_attempt_shows(world: &World) {
    let [running, ..] = scene(world).await;
    let said =
        [format!("I2 job {running} has 2 open attempts"), format!("I2 job {running} has 2 attempts, 1")];
    breaks(world, &copy_attempt(running, running, 2), &[&said[0], &said[1]]).await;
}

async fn an_attempt_of_a_waiting_job_shows(world: &World) {
    let [running, waiting, _] = scene(world).await;
    let said = [
        format!("I2 job {waiting} is queued with an open attempt"),
        format!("I2 job {waiting} has 1 attempts, 0 were authorised"),
    ];
    breaks(world, &copy_attempt(running, waiting, 1), &[&said[0], &said[1]]).await;
}

async fn an_attempt_that_nobody_authorised_shows(world: &World) {
    let [running, _, dead] = scene(world).await;
    let statements = format!(
        "{}; UPDATE attempts SET phase = 'ended' WHERE task_id = 'other'",
        copy_attempt(running, dead, 2)
    );
    breaks(world, &statements, &[&format!("I2 job {dead} has 2 attempts, 1 were authorised")]).await;
}

async fn a_figure_that_is_not_the_sum_of_its_holds_shows(world: &World) {
    scene(world).await;
    let statements = "UPDATE budgets SET used = 2 WHERE id = 'slots/global'";
    breaks(world, statements, &["I3 budget slots/global says 2 used, its holds add up to 1"]).await;
}

async fn a_hold_without_a_figure_shows(world: &World) {
    scene(world).await;
    let statements = "DELETE FROM budgets WHERE id = 'slots/global'";
    breaks(world, statements, &["I3 budget slots/global has holds and no figure"]).await;
}

async fn an_admission_over_the_limit_shows(world: &World) {
    let [running, ..] = scene(world).await;
    world.unguard().await;
    let statements = format!(
        "UPDATE entries SET body_json = replace(body_json, '[\"slots/global\",1,1,3]', '[\"slots/global\",1,4,3]') \
         WHERE kind = 'job.admitted' AND job_id = '{running}'"
    );
    breaks(
        world,
        &statements,
        &[&format!("I3 job {running} was admitted over the limit of slots/global"), "I16"],
    )
    .await;
}

async fn slots_of_an_agent_that_rests_show(world: &World) {
    let [running, ..] = scene(world).await;
    let statements = format!("UPDATE jobs SET state = 'waiting_for_user' WHERE id = '{running}'");
    let said = ["I3 slots/global of job", "I3 slots/repository/acme/a of job", "I1 job"];
    breaks(world, &statements, &said).await;
}

async fn an_agent_that_works_without_slots_shows(world: &World) {
    let [running, ..] = scene(world).await;
    let statements = format!(
        "UPDATE holds SET released_at = 1, released_by = 'x' WHERE job_id = '{running}' AND release = 'agent_stops'; \
         UPDATE budgets SET used = 0 WHERE id LIKE 'slots/%'"
    );
    breaks(world, &statements, &[&format!("I3 job {running} is running without its slots")]).await;
}

async fn a_hold_of_an_ended_attempt_shows(world: &World) {
    let [running, _, dead] = scene(world).await;
    let statements = format!(
        "UPDATE holds SET attempt_id = (SELECT attempt_id FROM jobs WHERE id = '{dead}') \
         WHERE job_id = '{running}' AND release = 'change'"
    );
    breaks(world, &statements, &["I4", "I4"]).await;
}

async fn a_token_that_is_not_its_workers_shows(world: &World) {
    let [running, ..] = scene(world).await;
    let statements = format!("UPDATE attempts SET token = 0 WHERE job_id = '{running}'");
    breaks(world, &statements, &["I5 attempt"]).await;
}

async fn a_dead_letter_that_was_trimmed_shows(world: &World) {
    let [_, _, dead] = scene(world).await;
    let statements = format!(
        "DELETE FROM holds WHERE job_id = '{dead}'; DELETE FROM prompts WHERE job_id = '{dead}'; \
         DELETE FROM attempts WHERE job_id = '{dead}'; DELETE FROM jobs WHERE id = '{dead}'; \
         UPDATE budgets SET used = used - 1 WHERE id = 'starts/global'; \
         UPDATE budgets SET used = used - 10 WHERE id = 'credits/team/platform'"
    );
    let gone = format!("I14 job {dead} is gone; its history left it dead");
    breaks(world, &statements, &["I1 request", &gone]).await;
}

async fn a_missing_notice_shows(world: &World) {
    scene(world).await;
    breaks(world, "DELETE FROM outbox WHERE kind = 'job.needs_user'", &["I15 1 waiting episodes, 0 notices"])
        .await;
}

async fn a_second_notice_for_one_episode_shows(world: &World) {
    scene(world).await;
    let statements = "DROP INDEX outbox_by_dedup; \
        INSERT INTO outbox (id, dedup, kind, body_json, created_at, tries) \
        SELECT '00000000-0000-7000-8000-000000000001', dedup, kind, body_json, created_at, 0 FROM outbox \
        WHERE kind = 'job.needs_user'";
    breaks(world, statements, &["I15 two notices for"]).await;
    // A store with the index would not even take it.
    world.submit(order(&["d"])).await;
}

async fn a_second_request_for_one_time_of_a_schedule_shows(world: &World) {
    let change = async |change| {
        let by = crate::ledger::world::by();
        world.write(Command::Schedule { name: "weekly".into(), change, by }).await
    };
    change(ScheduleChange::Begin { times: "0 9 * * * UTC".into() }).await;
    let (Command::Submit { request, jobs }, _) = world.submission(&order(&["a"])) else { panic!() };
    let nominal = world.now().plus(sluicegate::job::Millis::hours(1));
    change(ScheduleChange::Take { nominal, request, jobs, replaces: None }).await;
    assert_eq!(world.broken().await, Vec::<String>::new());
    world.unguard().await;
    let columns = "at, kind, request_id, job_id, attempt_id, actor, body_json, prev, hash";
    let statements = format!(
        "INSERT INTO entries (seq, {columns}) SELECT seq + 1, {columns} FROM entries WHERE kind = 'schedule.taken'"
    );
    breaks(world, &statements, &["I13 schedule weekly was handed in twice"]).await;
}
