//! The figures of a scrape: right on both stores, and read from indexes.

use sluicegate::{
    budget::Key,
    job::{Event, Millis, State},
    ledger::{Dialect, Ledger},
};

use crate::ledger::{
    orders::{order, reviewed},
    world::{World, on_both_stores},
};

on_both_stores!(
    the_figures_of_the_fleet_are_those_of_its_rows,
    what_is_counted_for_this_process_is_what_it_wrote
);

async fn the_figures_of_the_fleet_are_those_of_its_rows(world: &World) {
    let jobs = world.submit(reviewed(&["a", "b", "c", "d"])).await;
    world.running(jobs[0]).await;
    for job in &jobs[1..3] {
        world.step(*job, Event::Expired).await;
    }
    world.pass(Millis::seconds(7));
    let keys = ["slots/global", "slots/model/unused", "credits/team/blue"].map(Key::new);
    let figures = world.ledger.fleet_figures(&keys, true, world.now()).await.unwrap();
    let counted: Vec<(State, i64)> = figures.jobs.iter().map(|count| (count.state, count.jobs)).collect();
    assert_eq!(counted, [(State::Dead, 2), (State::Queued, 1), (State::Running, 1)]);
    assert_eq!((figures.dead_letters, figures.workers), (2, 1));
    let waits = figures.oldest_notice.map(|at| world.now().since(at));
    assert_eq!((figures.outbox, waits), (2, Some(Millis::seconds(7))), "a notice for each dead letter");
    let used: Vec<(&str, u64)> =
        figures.budgets.iter().map(|truth| (truth.key.as_str(), truth.used.get())).collect();
    assert!(
        used.contains(&("slots/global", 1)) && !used.iter().any(|(key, _)| key.contains("unused")),
        "{used:?}"
    );
    assert_eq!(figures.breakers, []);
}

async fn what_is_counted_for_this_process_is_what_it_wrote(world: &World) {
    let jobs = world.submit(order(&["a", "b"])).await;
    world.pass(Millis::seconds(90));
    world.running(jobs[0]).await;
    let mut page = sluicegate::telemetry::metrics::Page::default();
    world.ledger.meters(&mut page);
    let text = page.write(sluicegate::telemetry::metrics::Format::Plain).unwrap();
    for line in [
        "sluice_starts_total{result=\"started\"} 1.0",
        "sluice_starts_total{result=\"lost\"} 0.0",
        "sluice_job_state_seconds_sum{state=\"queued\"} 90.0",
        "sluice_job_state_seconds_bucket{le=\"60.0\",state=\"queued\"} 0",
        "sluice_job_state_seconds_bucket{le=\"300.0\",state=\"queued\"} 1",
        "sluice_history_entries_total{kind=\"request.accepted\"} 1.0",
        "sluice_stale_writes_total 0.0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn jobs_are_counted_from_the_index_alone() {
    let world = World::sqlite().await;
    let sql = format!("EXPLAIN QUERY PLAN {}", Ledger::jobs_by_state(Dialect::Sqlite));
    let pool = sqlx::SqlitePool::connect(&world.location.url).await.unwrap();
    let steps: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(steps[0].3, "SCAN jobs USING COVERING INDEX jobs_by_state");
    pool.close().await;
    world.end().await;
}
