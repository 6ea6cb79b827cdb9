//! A real daemon and a real worker are scraped, and `promtool` reads what they say.

use std::collections::BTreeSet;

use sluicegate::telemetry::metrics::catalogue;

use crate::{
    stage::{HOOK_SECRET, Process, Settings, Stage, eventually, wire},
    tools::promtool,
    world::scenario,
};

/// The address in the log line that says so.
fn listener(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("metrics and probes"))?;
    let address = line.split("127.0.0.1:").nth(1)?;
    let port: String = address.chars().take_while(char::is_ascii_digit).collect();
    Some(format!("http://127.0.0.1:{port}"))
}

fn scrape(url: &str, accept: &str) -> String {
    let (status, body) = wire::exchange(url, "GET", "/metrics", &[("accept", accept)], b"").unwrap();
    assert_eq!(status, 200, "{body}");
    body
}

/// The families of a page in the older form.
fn families(page: &str) -> BTreeSet<&str> {
    page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[test]
fn a_daemon_that_has_worked_tells_of_it_and_promtool_reads_it() {
    let more = "[metrics]\nlisten = \"127.0.0.1:0\"\n[breaker]\nfailures = 50\n";
    let mut stage = Stage::set(&scenario(""), &Settings { more: more.to_owned(), ..Settings::default() });
    stage.open();
    stage.submit("branch", &["api", "web"], &serde_json::json!({}));
    stage.ends();
    let url = eventually("the listener of metrics", || listener(&stage.daemon().log()));
    let page = eventually("a scrape after the end", || {
        let page = scrape(&url, "text/plain");
        page.contains("sluice_jobs{state=\"succeeded\"} 2.0").then_some(page)
    });
    assert!(page.contains("sluice_starts_total{result=\"started\"} 2.0\n"), "{page}");
    assert!(page.contains("sluice_job_state_seconds_count{state=\"running\"} 2\n"), "{page}");
    assert!(page.contains("sluice_remote_requests_total{endpoint=\"start\",result=\"ok\"} 2.0\n"), "{page}");
    assert!(page.contains("sluice_step_handled_total{step=\"start\"} 2.0\n"), "{page}");
    assert!(page.contains("sluice_repairs_total 0.0\n") && page.contains("sluice_gate_open 1.0\n"), "{page}");
    let known: BTreeSet<&str> = catalogue::all().map(|metric| metric.name).collect();
    assert!(families(&page).is_subset(&known));
    // Only what nobody has met in this story may be missing.
    let told = families(&page);
    let missing: Vec<&&str> = known.difference(&told).collect();
    let excused = [
        "sluice_breakers",
        "sluice_certificate_end_time_seconds",
        "sluice_deliveries_in_trouble",
        "sluice_deliveries_oldest_seconds",
        "sluice_deliveries_waiting",
        "sluice_hook_deliveries_total",
        "sluice_token_left_seconds",
        "sluice_trace_spans_total",
        "sluice_tracked_tasks",
        "sluice_tracking_age_seconds",
    ];
    assert!(missing.iter().all(|name| excused.contains(*name)), "{missing:?}");
    if let Some((well, said)) = promtool(&["check", "metrics"], &page) {
        assert!(well && said.is_empty(), "{said}");
    }
    let open = scrape(&url, "application/openmetrics-text");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE sluice_starts counter\n"), "{open}");
    let (status, ready) = wire::exchange(&url, "GET", "/readyz", &[], b"").unwrap();
    assert!(status == 200 && ready.contains("\"status\":\"ready\""), "{ready}");
    assert!(stage.close().success());
}

#[test]
fn a_worker_without_an_endpoint_is_scraped_on_a_listener_of_its_own() {
    let stage = Stage::set(&scenario(""), &Settings::default());
    let config = stage.path("sluice.toml").display().to_string();
    let env = [("SLUICE_TEST_HOOK", HOOK_SECRET), ("SLUICE_METRICS__LISTEN", "127.0.0.1:0")];
    let line = ["work", "--config", &config].map(str::to_owned);
    let mut worker = Process::start("worker", stage.folder.path(), &line, &env);
    let url = eventually("the listener of metrics", || listener(&worker.log()));
    assert!(scrape(&url, "text/plain").contains("sluice_workers 1.0\n"));
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/v1/jobs", 404)] {
        assert_eq!(wire::exchange(&url, "GET", path, &[], b"").unwrap().0, status, "{path}");
    }
    worker.signal("TERM");
    assert!(worker.wait().success());
}
