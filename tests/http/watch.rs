//! What probes and scrapers see.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, header},
};
use sluicegate::{
    http::{Access, Limits, guarded},
    job::Millis,
};

use crate::house::{Answer, House, TOKEN};

/// Whose metrics need no token.
async fn open_house() -> House {
    let house = House::new().await;
    let access = Access { metrics_open: true, ..Access::local(TOKEN.into()) };
    let router = guarded(Arc::clone(&house.context), access, Limits::default());
    House { router, ..house }
}

async fn ask(house: &House, path: &str, accept: &str) -> Answer {
    let request = Request::builder().uri(path).header(header::ACCEPT, accept);
    house.raw(request.body(Body::empty()).unwrap()).await
}

/// The lines of a page that begin so.
async fn figures(house: &House, begin: &str) -> Vec<String> {
    let page = ask(house, "/metrics", "text/plain").await.ok();
    let lines = page.as_str().unwrap().lines().filter(|line| line.starts_with(begin));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_scrape_counts_jobs_waits_and_budgets() {
    let house = open_house().await;
    let (_, jobs) = house.submit(&["acme/api", "acme/web", "acme/docs"], false).await;
    house.admit(jobs[0]).await;
    // The gate is asked by nobody but its worker: it has not been told to propose, so all are ready.
    let states = figures(&house, "sluice_jobs{").await;
    assert!(states.contains(&"sluice_jobs{state=\"queued\"} 2.0".to_owned()), "{states:?}");
    assert!(states.contains(&"sluice_jobs{state=\"starting\"} 1.0".to_owned()), "{states:?}");
    assert_eq!(states.len(), 13, "a state that nobody is in is 0, not missing: {states:?}");
    let budgets = figures(&house, "sluice_budget_").await;
    let slots = "{budget=\"slots\",kind=\"slots\",scope=\"global\",value=\"\"} 1.0";
    assert!(budgets.contains(&format!("sluice_budget_used{slots}")), "{budgets:?}");
    assert!(budgets.contains(&format!("sluice_budget_limit{slots}")), "{budgets:?}");
    let ana = "{budget=\"pool\",kind=\"pool\",scope=\"reviewers\",value=\"ana\"}";
    assert!(budgets.contains(&format!("sluice_budget_used{ana} 1.0")), "{budgets:?}");
    assert!(budgets.contains(&format!("sluice_budget_limit{ana} 2.0")), "{budgets:?}");
    assert!(!budgets.iter().any(|line| line.contains("acme")), "no figure of a repository: {budgets:?}");
    let waited = figures(&house, "sluice_job_state_seconds_count{state=\"queued\"}").await;
    assert_eq!(waited, ["sluice_job_state_seconds_count{state=\"queued\"} 1"]);
    let entries = figures(&house, "sluice_history_entries_total{kind=\"job.admitted\"}").await;
    assert_eq!(entries, ["sluice_history_entries_total{kind=\"job.admitted\"} 1.0"]);
}

#[tokio::test]
async fn a_wait_has_the_reason_of_why() {
    let house = open_house().await;
    house.submit(&["acme/held"], true).await;
    house.submit(&["acme/api", "acme/web", "acme/docs"], false).await;
    // What fits is proposed, and what does not is parked.
    house.context.gate.propose(9, house.context.now()).await.unwrap();
    let waits = figures(&house, "sluice_jobs_waiting{").await;
    for (reason, budget, jobs) in
        [("held", "", 1), ("budget", "slots", 2), ("ledger", "", 1), ("turn", "", 0), ("review", "", 0)]
    {
        let line = format!("sluice_jobs_waiting{{reason=\"{reason}\",budget=\"{budget}\"}} {jobs}.0");
        assert!(waits.contains(&line), "{line} of {waits:?}");
    }
    house.clock.set(house.context.now().plus(Millis::seconds(11)));
    house.context.gate_failed(&sluicegate::gate::GateClosed("it went away".into()));
    let waits = figures(&house, "sluice_jobs_waiting{reason=\"gate\"").await;
    assert_eq!(waits, ["sluice_jobs_waiting{reason=\"gate\",budget=\"\"} 3.0"]);
    assert_eq!(figures(&house, "sluice_gate_open").await, ["sluice_gate_open 0.0"]);
}

#[tokio::test]
async fn the_fleets_figures_are_asked_once_in_ten_seconds() {
    let house = open_house().await;
    assert!(figures(&house, "sluice_jobs{state=\"queued\"}").await[0].ends_with(" 0.0"));
    house.submit(&["acme/api"], false).await;
    assert!(figures(&house, "sluice_jobs{state=\"queued\"}").await[0].ends_with(" 0.0"));
    house.clock.set(house.context.now().plus(Millis::seconds(10)));
    assert!(figures(&house, "sluice_jobs{state=\"queued\"}").await[0].ends_with(" 1.0"));
}

#[tokio::test]
async fn a_scrape_without_a_ledger_says_so_and_has_the_rest() {
    let house = open_house().await;
    house.context.ledger.close().await;
    assert_eq!(figures(&house, "sluice_ledger_up").await, ["sluice_ledger_up 0.0"]);
    assert_eq!(figures(&house, "sluice_jobs{").await, [""; 0]);
    assert!(!figures(&house, "process_resident_memory_bytes").await.is_empty());
}

#[tokio::test]
async fn whoever_wants_openmetrics_gets_it() {
    let house = open_house().await;
    let answer = ask(&house, "/metrics", "application/openmetrics-text;version=1.0.0,*/*;q=0.1").await;
    assert!(
        answer.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("application/openmetrics-text")
    );
    assert!(answer.ok().as_str().unwrap().ends_with("# EOF\n"));
    let answer = ask(&house, "/metrics", "*/*").await;
    assert!(answer.headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn metrics_that_are_not_open_need_the_token_and_a_refusal_is_counted() {
    let house = House::new().await;
    assert_eq!(ask(&house, "/metrics", "*/*").await.error(), (401, "token-missing"));
    ask(&house, "/readyz", "*/*").await.ok();
    let page = house.get("/metrics").await.ok();
    let page = page.as_str().unwrap();
    // The other tests of this program are denied too.
    assert!(page.contains("sluice_denials_total{reason=\"token-missing\"} "), "{page}");
    assert!(!page.contains("sluice_denials_total{reason=\"token-missing\"} 0.0"), "{page}");
    let counted = "sluice_http_requests_total{route=\"/metrics\",method=\"GET\",status=\"401\"} 1.0\n";
    assert!(page.contains(counted), "{page}");
    ask(&house, "/nothing/like/this/8271", "*/*").await;
    house.get("/v1/jobs/0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11").await;
    let page = house.get("/metrics").await.ok();
    let page = page.as_str().unwrap();
    assert!(page.contains("route=\"/v1/jobs/{id}\",method=\"GET\",status=\"404\"} 1.0\n"), "{page}");
    assert!(!page.contains("8271") && !page.contains("0193d6f0"), "{page}");
}

#[tokio::test]
async fn a_process_is_ready_while_it_can_write_and_says_what_else_is_wrong() {
    let house = House::new().await;
    let ready = ask(&house, "/readyz", "*/*").await.ok();
    assert_eq!(ready["status"], "ready", "{ready}");
    let names: Vec<_> =
        ready["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(names, ["ledger", "gate", "line", "provider"]);
    house.context.gate_failed(&sluicegate::gate::GateClosed("redis is away".into()));
    let degraded = ask(&house, "/readyz", "*/*").await.ok();
    assert_eq!(degraded["status"], "degraded", "{degraded}");
    assert!(degraded["checks"][1]["text"].as_str().unwrap().contains("redis is away"), "{degraded}");
    // The heartbeat of this house does not beat.
    house.clock.set(house.context.now().plus(Millis::minutes(1)));
    let answer = ask(&house, "/readyz", "*/*").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body["status"], "not-ready", "{}", answer.body);
    assert_eq!(answer.body["checks"][0]["ok"], false);
    assert_eq!(ask(&house, "/healthz", "*/*").await.ok()["status"], "ok");
}
