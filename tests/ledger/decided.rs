//! Reading what was decided: oldest first, in pages, each request once, and a dead letter that was tried again only once.

use sluicegate::{
    job::{RequestId, Timestamp},
    ledger::decided::Mark,
};

use crate::ledger::{
    orders::{HOUR, order},
    world::{World, on_both_stores},
};

on_both_stores![requests_are_read_oldest_first_and_each_once_also_those_of_one_time];

async fn requests_are_read_oldest_first_and_each_once_also_those_of_one_time(world: &World) {
    let begun = world.now();
    for names in [&["a", "b"][..], &["c"], &["d"], &["e", "f"]] {
        world.submit(order(names)).await;
    }
    world.pass(HOUR);
    world.submit(order(&["g"])).await;
    let later = world.now();
    let (mut mark, mut seen): (Mark, Vec<RequestId>) = (Mark { at: begun, id: String::new() }, Vec::new());
    loop {
        let page = world.ledger.requests_after(&mark, Timestamp(i64::MAX), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        mark = Mark { at: last.row.created_at, id: last.row.id.to_string() };
        seen.extend(page.iter().map(|shared| shared.row.id));
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen.iter().collect::<std::collections::BTreeSet<_>>().len(), 5);
    let from = |at| Mark { at, id: String::new() };
    let early = world.ledger.requests_after(&from(begun), later, 10).await.unwrap();
    assert_eq!(early.len(), 4, "the end is left out");
    let last = world.ledger.requests_after(&from(later), Timestamp(i64::MAX), 10).await.unwrap();
    assert_eq!(last.iter().map(|shared| shared.row.id).collect::<Vec<_>>(), seen[4..]);

    let jobs = world.ledger.decided_jobs(&seen[4..]).await.unwrap();
    let names: Vec<&str> = jobs.iter().map(|job| job.repository.full_name()).collect();
    assert_eq!((names, jobs[0].identity.as_str(), jobs[0].wave), (vec!["acme/g"], "bot", 0));
    let all = world.ledger.decided_jobs(&seen).await.unwrap();
    assert_eq!(all.len(), 7);
    assert!(world.ledger.decided_jobs(&[]).await.unwrap().is_empty());
}
