//! What plans are held against: the model that really worked, what past jobs have cost, what templates were at their first use.

use sluicegate::{
    budget::Key,
    job::{Event, JobId, RemoteState, State},
    ledger::{Command, Reply},
};

use crate::ledger::{
    orders::{HOUR, costly, order, task},
    world::{World, on_both_stores},
};

on_both_stores![
    another_model_at_work_is_told_once_however_often_it_changes,
    past_jobs_of_a_template_tell_what_they_have_cost,
    templates_and_budgets_are_read_as_they_were_used,
];

/// A job for which a model is asked.
async fn asking_for(world: &World, name: &str, model: &str) -> JobId {
    let (mut command, jobs) = world.submission(&order(&[name]));
    if let Command::Submit { jobs, .. } = &mut command {
        jobs.iter_mut().for_each(|job| job.row.model = Some(model.to_owned()));
    }
    assert!(matches!(world.write(command).await, Reply::Submitted { .. }));
    jobs[0]
}

async fn another_model_at_work_is_told_once_however_often_it_changes(world: &World) {
    let (same, other) = (asking_for(world, "a", "model-1").await, asking_for(world, "b", "model-2").await);
    for (job, told) in [(same, 0), (other, 1)] {
        let attempt = world.running(job).await;
        for (credits, model) in [(5, "prefix:model-1"), (6, "auto"), (7, "model-2"), (8, "prefix:model-1")] {
            let mut seen = costly(task(&attempt, RemoteState::InProgress), credits);
            if job == other || model != "model-2" {
                seen.sessions.as_mut().unwrap()[0].model = Some(model.to_owned());
            }
            assert!(matches!(world.write(world.sighting(&attempt, seen, None)).await, Reply::Done));
        }
        let notices = world.ledger.notices_of(job).await.unwrap();
        let of_kind: Vec<_> = notices.iter().filter(|notice| notice.kind == "model.differs").collect();
        assert_eq!(of_kind.len(), told, "{job}");
        let entries = world.history(job).await;
        assert_eq!(entries.iter().filter(|kind| *kind == "attempt.model_differs").count(), told);
        if told == 1 {
            let body: serde_json::Value = serde_json::from_str(&of_kind[0].body_json).unwrap();
            assert_eq!((&body["wanted"], &body["used"]), (&"model-2".into(), &"prefix:model-1".into()));
        }
        world.act(job, Event::Cancelled).await;
        world.see(&attempt, RemoteState::Cancelled, None).await;
    }
}

async fn past_jobs_of_a_template_tell_what_they_have_cost(world: &World) {
    assert_eq!(world.ledger.past_jobs("upgrade").await.unwrap(), []);
    let jobs = world.submit(order(&["a", "b"])).await;
    let attempt = world.running(jobs[0]).await;
    world.pass(HOUR);
    world.see_cost(&attempt, 4, Event::Completed).await;
    assert_eq!(world.ledger.past_jobs("upgrade").await.unwrap(), [], "it is not at its end");
    world.pass(HOUR);
    world.step(jobs[0], Event::Accepted).await;
    assert_eq!(world.state(jobs[0]).await, State::Succeeded);
    let past = world.ledger.past_jobs("upgrade").await.unwrap();
    assert_eq!(past.len(), 1, "{past:?}");
    let only = &past[0];
    assert_eq!((only.repository.full_name(), only.nano_credits), ("acme/a", 4));
    assert_eq!(only.ended_at.map(|end| end.since(only.intent_at)), Some(sluicegate::job::Millis::hours(2)));
    assert_eq!(world.ledger.past_jobs("other").await.unwrap(), []);
}

async fn templates_and_budgets_are_read_as_they_were_used(world: &World) {
    let jobs = world.submit(order(&["a"])).await;
    world.running(jobs[0]).await;
    let used = world.ledger.templates_used().await.unwrap();
    assert_eq!(used.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["upgrade@1"]);
    let keys = ["slots/global", "slots/repository/acme/never"].map(Key::new);
    let truths = world.ledger.truths_of(&keys).await.unwrap();
    assert_eq!(truths.len(), 1, "{truths:?}");
    assert_eq!((truths[0].used.get(), truths[0].limit.map(|limit| limit.get())), (1, Some(3)));
    assert_eq!(world.ledger.truths_of(&[]).await.unwrap().len(), 0);
}
