//! Long lists come in pages, and jobs are found by what their requests have in common.

use sluicegate::{
    budget::Scope,
    job::{Event, NoticeId, RequestId},
    ledger::{Command, Reply, outbox::NoticeFilter, pages::JobFilter},
};

use crate::ledger::{
    orders::order,
    world::{World, on_both_stores},
};

on_both_stores![
    pages_of_requests_have_no_gap_and_no_repetition,
    pages_of_notices_have_no_gap_and_no_repetition,
    a_page_after_nothing_is_told_from_an_empty_one,
    jobs_are_found_by_template_and_team,
    it_is_known_whether_any_job_goes_by_a_name,
];

async fn pages_of_requests_have_no_gap_and_no_repetition(world: &World) {
    // All at one moment: their ids decide.
    for name in ["a", "b", "c", "d", "e"] {
        world.submit(order(&[name])).await;
    }
    let whole: Vec<RequestId> = world.ledger.requests(100).await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(whole.len(), 5);
    let mut found: Vec<RequestId> = Vec::new();
    loop {
        let page = match found.last() {
            None => world.ledger.requests(2).await.unwrap(),
            Some(last) => world.ledger.requests_older_than(*last, 2).await.unwrap().unwrap(),
        };
        if page.is_empty() {
            break;
        }
        found.extend(page.iter().map(|row| row.id));
    }
    assert_eq!(found, whole);
}

async fn pages_of_notices_have_no_gap_and_no_repetition(world: &World) {
    for number in 0..5 {
        let (dedup, kind) = (format!("identity/{number}"), "identity.refused".to_owned());
        let command = Command::Notice { dedup, kind, job: None, body: serde_json::json!({}) };
        assert!(matches!(world.write(command).await, Reply::Done));
    }
    let page = async |after, limit| -> Vec<NoticeId> {
        let found = world.ledger.notices_like(&NoticeFilter::default(), after, limit).await.unwrap();
        found.unwrap().iter().map(|row| row.id).collect()
    };
    let whole = page(None, 100).await;
    assert_eq!(whole.len(), 5);
    let mut found = vec![whole[0]];
    while let Some(next) = page(found.last().copied(), 1).await.first() {
        found.push(*next);
    }
    assert_eq!(found, whole);
}

async fn a_page_after_nothing_is_told_from_an_empty_one(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let only = world.job(job).await.request_id;
    assert_eq!(world.ledger.requests_older_than(only, 5).await.unwrap(), Some(Vec::new()));
    let nobody = "0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11";
    assert_eq!(world.ledger.requests_older_than(nobody.parse().unwrap(), 5).await.unwrap(), None);
    let notices = world.ledger.notices_like(&NoticeFilter::default(), Some(nobody.parse().unwrap()), 5).await;
    assert_eq!(notices.unwrap(), None);
}

async fn jobs_are_found_by_template_and_team(world: &World) {
    let job = world.submit(order(&["a"])).await[0];
    let request = world.ledger.request(world.job(job).await.request_id).await.unwrap().unwrap();
    let found = async |template: &str, team: &str| {
        let some = |word: &str| Some(word.to_owned()).filter(|word| !word.is_empty());
        let filter = JobFilter { template: some(template), team: some(team), ..JobFilter::default() };
        world.ledger.jobs(&filter).await.unwrap().len()
    };
    let (template, team) = (request.row.template.as_str(), request.row.team.as_str());
    for (template, team, expected) in [
        ("", "", 1),
        (template, "", 1),
        ("", team, 1),
        (template, team, 1),
        ("other", "", 0),
        (template, "other", 0),
    ] {
        assert_eq!(found(template, team).await, expected, "{template} {team}");
    }
}

async fn it_is_known_whether_any_job_goes_by_a_name(world: &World) {
    let job = world.submit(order(&["a_b"])).await[0];
    let row = world.job(job).await;
    let request = world.ledger.request(row.request_id).await.unwrap().unwrap();
    let subject = row.subject(&request.row, &request.spec);
    let asked = async |scope, value: &str| world.ledger.is_asked_of(scope, value).await.unwrap();
    for scope in Scope::ALL {
        assert!(asked(scope, subject.value(scope)).await, "{scope}");
        assert!(!asked(scope, "other").await, "{scope}");
    }
    assert!(!asked(Scope::Organisation, "a_me").await, "no character stands for others");
    // What has ended goes by nothing any more.
    world.act(job, Event::Cancelled).await;
    for scope in Scope::ALL {
        assert!(!asked(scope, subject.value(scope)).await, "{scope}");
    }
}
