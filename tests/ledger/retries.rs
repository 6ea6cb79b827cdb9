//! The budgets for retries: taken by retries alone, and without room a failure is the last one.

use sluicegate::{
    budget::{Amount, BudgetRule, Key, Kind, Period, Rules, Scope, key::RETRIES},
    job::{Event, JobId, Millis, RemoteState, State, failure::FailureClass, routing::Failure},
    ledger::{Command, Reply, Seen, rows::AttemptRow},
};

use crate::ledger::{
    orders::{Order, order, task},
    world::World,
};

fn retries(per: Scope, kind: Kind, limit: u32, period: Period) -> BudgetRule {
    BudgetRule { name: RETRIES.into(), kind, per, matching: None, limit: Amount::from(limit), period }
}

fn rules() -> Rules {
    Rules {
        budgets: vec![
            retries(Scope::Request, Kind::Count, 2, Period::Lifetime),
            retries(Scope::Template, Kind::Window, 3, Period::Day),
        ],
        ..Rules::default()
    }
}

async fn fails(world: &World, attempt: &AttemptRow, class: FailureClass) -> Reply {
    let seen = Seen {
        task: task(attempt, RemoteState::Failed),
        event: Some(Event::Retried),
        failure: Some(Failure::new(class, "internal error")),
        advice: None,
        due_at: None,
    };
    let (job, id) = (attempt.job_id, attempt.id);
    world.write(Command::Seen { job, attempt: id, fence: world.worker, seen: Box::new(seen) }).await
}

async fn fails_again(world: &World, job: JobId) -> State {
    let attempt = world.running(job).await;
    assert!(matches!(fails(world, &attempt, FailureClass::Infrastructure).await, Reply::Done));
    world.state(job).await
}

async fn retries_take_from_their_budgets_and_starts_do_not(world: World) {
    let one = world.submit(Order { body: "1", ..order(&["a", "b", "c", "d"]) }).await;
    let two = world.submit(Order { body: "2", ..order(&["e", "f"]) }).await;
    let request = world.job(one[0]).await.request_id;
    let key = format!("retries/request/{request}");
    world.running(one[3]).await;
    assert_eq!(world.used(&key).await, 0, "a first attempt is no retry");
    assert_eq!(fails_again(&world, one[0]).await, State::Queued);
    assert_eq!(fails_again(&world, one[0]).await, State::Queued);
    assert_eq!((world.used(&key).await, world.used("retries/template/upgrade").await), (2, 2));
    assert_eq!(fails_again(&world, one[1]).await, State::Dead, "the request has none left");
    let letter = world.job(one[1]).await.outcome_json.unwrap();
    assert!(letter.contains(&format!("the budget for retries {key} is used up (2 of 2)")), "{letter}");
    assert_eq!(world.history(one[1]).await.last().unwrap(), "job.gave_up");
    assert_eq!(fails_again(&world, two[0]).await, State::Queued);
    assert_eq!(fails_again(&world, two[1]).await, State::Dead, "the template has none left today");
    // Raised by an operator, and given back by the end of the day.
    let retried = world.ledger.holders(&Key::new("retries/template/upgrade"), 10).await.unwrap();
    assert_eq!(retried.len(), 3);
    world.pass(Millis::hours(15));
    world.write(Command::RollOver).await;
    assert_eq!((world.used("retries/template/upgrade").await, world.used(&key).await), (0, 2));
    world.end().await;
}

#[tokio::test]
async fn retries_take_from_their_budgets_and_starts_do_not_on_sqlite() {
    retries_take_from_their_budgets_and_starts_do_not(World::sqlite_with(rules()).await).await;
}

#[tokio::test]
async fn retries_take_from_their_budgets_and_starts_do_not_on_postgres() {
    retries_take_from_their_budgets_and_starts_do_not(World::postgres_with(rules()).await).await;
}

#[tokio::test]
async fn a_task_that_ran_out_of_time_is_marked_for_the_smaller_scope_and_others_are_not() {
    let world = World::sqlite_with(Rules::default()).await;
    let jobs = world.submit(order(&["a", "b"])).await;
    for (job, class, marked) in
        [(jobs[0], FailureClass::TimedOut, 1), (jobs[1], FailureClass::Infrastructure, 0)]
    {
        let attempt = world.running(job).await;
        fails(&world, &attempt, class).await;
        assert_eq!((world.state(job).await, world.job(job).await.fallen_back), (State::Queued, marked));
    }
    world.end().await;
}
