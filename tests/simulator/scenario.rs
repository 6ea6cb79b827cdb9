//! Scenario files, and the server that plays them.

use sluicegate::simulator::{Options, Scenario, SimulatorError, serve};

use crate::harness::client;

#[test]
fn a_wrong_scenario_is_refused_with_its_place() {
    let cases = [
        ("seed = 1\nsede = 2", "s.toml:2:1: unknown field `sede`"),
        ("[defaults]\nqueued = 1", "s.toml:2:1: unknown field `queued`"),
        ("[defaults]\noutcome = \"done\"", "s.toml:2:11: unknown variant `done`"),
        ("[defaults]\nrun_ms = [5, 1]", "s.toml:2:10: the lowest value is above the highest"),
        ("[defaults]\nrun_ms = -1", "s.toml:2:10: the number must be at least 0"),
        ("[defaults]\nrun_ms = \"fast\"", "s.toml:2:10: invalid type"),
        ("[[stories]]\nmatch = \"acme/[\"", "s.toml:2:9: not a glob pattern"),
        ("[[tokens]]\nname = \"a\"", "missing field `secret`"),
        ("[limits]\nsecondary_status = 500", "s.toml:2:20: secondary_status is 403 or 429"),
        ("[server]\nmanual_clock_from = \"noon\"", "s.toml:2:21: not a time"),
        ("[defaults]\nmatch = \"*/*\"", "[defaults] is for every task"),
        ("[[faults]]\ntimes = 1", "fault 1: it does nothing"),
        ("seed = ", "s.toml:1:"),
    ];
    for (text, expected) in cases {
        let error = Scenario::from_toml(text, "s.toml").unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?} gave {error:?}");
    }
}

#[test]
fn shipped_scenarios_are_right() {
    Scenario::friendly().unwrap();
    Scenario::from_toml(include_str!("../../config/scenarios/demo.toml"), "demo.toml").unwrap();
}

#[tokio::test]
async fn serving_announces_its_address_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("manual.toml");
    let port_file = folder.path().join("port");
    std::fs::write(&scenario, "[server]\nmanual_clock_from = \"2026-01-01T00:00:00Z\"").unwrap();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        scenario: Some(scenario),
        seed: Some(3),
        port_file: Some(port_file.clone()),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(options, async move {
        stopped.await.unwrap_or_default();
    }));
    let base = loop {
        match std::fs::read_to_string(&port_file) {
            Ok(base) => break base,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let health = client().get(format!("{base}/_control/health")).send().await.unwrap();
    assert!(health.text().await.unwrap().contains("1767225600000"));
    drop(stop);
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_missing_scenario_file_is_an_error() {
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        scenario: Some("nowhere.toml".into()),
        seed: None,
        port_file: None,
    };
    let result = serve(options, std::future::pending()).await;
    assert!(matches!(result, Err(SimulatorError::Open { .. })));
}
