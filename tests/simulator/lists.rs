//! Lists: pages, links, filters, order, lag.

use serde_json::{Value, json};

use crate::harness::{START_MS, Sim, start, tasks_of, text};

async fn ids(sim: &Sim, path: &str) -> Vec<String> {
    let body = sim.read(path).await;
    body["tasks"].as_array().unwrap().iter().map(|task| text(task, "/id")).collect()
}

fn relations(link: &str) -> Vec<&str> {
    link.split("rel=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn last_appears_only_on_the_last_page() {
    let sim = start("").await;
    for _ in 0..5 {
        sim.create("acme/api", "p").await;
    }
    let mut path = format!("{}?per_page=2&state=queued", tasks_of("acme/api"));
    let mut seen = Vec::new();
    loop {
        let answer = sim.get(&path).await;
        let link = answer.header("link").to_owned();
        seen.push((relations(&link).join(" "), answer.body["tasks"].as_array().unwrap().len()));
        let Some(next) = link.split(", ").find(|part| part.ends_with("rel=\"next\"")) else { break };
        path = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    let expected = [("first next", 2), ("first prev next", 2), ("first prev last", 1)];
    assert_eq!(seen, expected.map(|(relations, count)| (relations.to_owned(), count)));
    assert_eq!(relations(sim.get("/agents/tasks").await.header("link")), ["first", "last"]);
}

#[tokio::test]
async fn order_follows_change_or_creation() {
    let sim = start("[defaults]\nsession_delay_ms = 0\nqueued_ms = 100000").await;
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(sim.create("acme/api", "p").await);
        sim.pass(1_000);
    }
    sim.post(&format!("/_control/tasks/{}/complete", created[0]), json!({})).await;
    let [a, b, c] = [&created[0], &created[1], &created[2]];
    for (query, expected) in [
        ("", [a, c, b]),
        ("?direction=asc", [b, c, a]),
        ("?sort=created_at", [c, b, a]),
        ("?sort=created_at&direction=asc", [a, b, c]),
    ] {
        let found = ids(&sim, &format!("/agents/tasks{query}")).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let sim = start("[defaults]\nsession_delay_ms = 0\nqueued_ms = 1000000").await;
    let old = sim.create("acme/api", "p").await;
    sim.pass(10_000);
    let new = sim.create("acme/web", "p").await;
    sim.post(&format!("/_control/tasks/{new}/fail"), json!({"message": "x"})).await;
    assert_eq!(ids(&sim, "/agents/tasks?state=queued").await, [old.as_str()]);
    assert_eq!(ids(&sim, "/agents/tasks?state=failed,completed").await, [new.as_str()]);
    assert_eq!(ids(&sim, "/agents/tasks?since=2026-01-01T00:00:10Z").await, [new.as_str()]);
    assert_eq!(ids(&sim, &tasks_of("acme/api")).await, [old.as_str()]);
    assert_eq!(ids(&sim, &format!("{}?creator_id=5", tasks_of("acme/api"))).await, Vec::<String>::new());
    assert_eq!(
        ids(&sim, &format!("{}?creator_id=5&creator_id=1001", tasks_of("acme/api"))).await,
        [old.as_str()]
    );
    sim.post(&format!("/_control/tasks/{old}/archive"), json!({})).await;
    assert_eq!(ids(&sim, "/agents/tasks").await, [new]);
    assert_eq!(ids(&sim, "/agents/tasks?is_archived=true").await, [old]);
    let counts = sim.read("/agents/tasks").await;
    assert_eq!((&counts["total_active_count"], &counts["total_archived_count"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn lists_lag_behind_single_tasks() {
    let sim =
        start("[defaults]\nlist_lag_ms = 5000\nsession_delay_ms = 100\nqueued_ms = 1000\nrun_ms = 60000")
            .await;
    let id = sim.create("acme/api", "p").await;
    assert_eq!(sim.task(&id).await["state"], "queued");
    assert_eq!(ids(&sim, "/agents/tasks").await, Vec::<String>::new());
    sim.pass(5_000);
    assert_eq!(ids(&sim, "/agents/tasks?state=queued").await, [id.as_str()]);
    assert_eq!(sim.task(&id).await["state"], "in_progress");
    sim.pass(1_000);
    assert_eq!(ids(&sim, "/agents/tasks?state=in_progress").await, [id]);
}

#[tokio::test]
async fn a_short_list_is_found_among_many_tasks() {
    let sim = start("[defaults]\nqueued_ms = 1\nrun_ms = 1\nsession_delay_ms = 0").await;
    for at in 0..300 {
        sim.create(&format!("acme/r{}", at % 7), "p").await;
    }
    sim.pass(10_000);
    let last = sim.create("acme/r1", "p").await;
    assert_eq!(ids(&sim, "/agents/tasks?state=queued,in_progress").await, [last.as_str()]);
    assert_eq!(ids(&sim, "/agents/tasks?since=2026-01-01T00:00:10Z").await, [last]);
    let pages: Value = sim.read("/agents/tasks?per_page=100&page=4").await;
    assert_eq!(pages["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(sim.read("/_control/tasks").await[0]["created_ms"], START_MS);
}
