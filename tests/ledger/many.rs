//! More jobs than the writer keeps: those under way stay known, the others are read again.

use sluicegate::{
    job::{Event, RemoteState, State},
    ledger::{Dialect, table},
};
use sqlx::{Connection as _, Row as _};

use crate::ledger::{
    orders::{Order, order},
    world::{World, on_both_stores},
};

on_both_stores!(jobs_under_way_and_jobs_that_wait_go_on_after_more_came_than_are_kept);

/// More than the writer keeps.
const MANY: usize = 4_500;

async fn jobs_under_way_and_jobs_that_wait_go_on_after_more_came_than_are_kept(world: &World) {
    let jobs = world.submit(order(&["runs", "tried", "new"])).await;
    let runs = world.running(jobs[0]).await;
    let tried = world.admitted(jobs[1]).await;
    world.not_started(&tried, true, None).await;
    let names = (0..MANY).map(|number| format!("other/r{number}")).collect();
    world.submit(Order { repositories: names, ..order(&[]) }).await;

    world.see(&runs, RemoteState::Completed, Some(Event::Completed)).await;
    world.step(runs.job_id, Event::Accepted).await;
    assert_eq!((world.state(runs.job_id).await, world.used("slots/global").await), (State::Succeeded, 0));
    let (again, first) = (world.admitted(jobs[1]).await, world.admitted(jobs[2]).await);
    assert_eq!((again.number, first.number, world.used("slots/global").await), (2, 1, 2));
}

/// Whatever the planner thinks of lists whose length it does not know.
#[tokio::test]
async fn postgresql_finds_the_rows_of_a_batch_by_their_keys() {
    let world = World::postgres().await;
    let names = (0..MANY).map(|number| format!("other/r{number}")).collect();
    world.submit(Order { repositories: names, ..order(&[]) }).await;
    let mut connection = sqlx::PgConnection::connect(&world.location.url).await.unwrap();
    let change = table::JOBS.update(Dialect::Postgres);
    let nulls = vec!["NULL"; change.columns.len()].join(",");
    let read = table::JOBS.select_in(Dialect::Postgres, "id", "");
    for (name, sql, values) in [("read", read, "NULL".to_owned()), ("change", change.sql, nulls)] {
        let prepare = format!("SET plan_cache_mode = force_generic_plan; PREPARE {name} AS {sql}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(prepare)).execute(&mut connection).await.unwrap();
        let explain = format!("EXPLAIN EXECUTE {name}({values})");
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert!(plan.iter().any(|line| line.contains("Index Scan using jobs_pkey")), "{name}: {plan:#?}");
    }
    connection.close().await.unwrap();
    world.end().await;
}
