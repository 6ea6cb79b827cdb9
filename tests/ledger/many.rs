//! More jobs than the writer keeps: those under way stay known, the others are read again.

use sluicegate::job::{Event, RemoteState, State};

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
