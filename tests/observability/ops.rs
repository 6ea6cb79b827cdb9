//! Whether the rules, charts and runbooks speak of what there is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sluicegate::telemetry::metrics::{Kind, catalogue};

use crate::tools::{files, promtool, read, root};

/// The values of a key in the YAML of this folder, which has one key on a line.
fn values<'t>(text: &'t str, key: &str) -> Vec<&'t str> {
    let found = text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix(key));
    found.map(|value| value.trim().trim_matches(['\'', '"'])).collect()
}

fn alerts() -> Vec<(String, String)> {
    let text = read("ops/prometheus/alerts.yml");
    let (names, pages) = (values(&text, "alert:"), values(&text, "runbook:"));
    assert_eq!(names.len(), pages.len(), "each alert names its runbook");
    names.iter().zip(pages).map(|(name, page)| ((*name).to_owned(), page.to_owned())).collect()
}

/// Names of series in an expression.
fn series(expression: &str) -> BTreeSet<&str> {
    let part = |letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == ':');
    let words = expression.split(part);
    words
        .filter(|word| ["sluice_", "sluice:", "process_"].iter().any(|begin| word.starts_with(begin)))
        .collect()
}

/// Everything that can be asked for.
fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> =
        values(&read("ops/prometheus/recording.yml"), "record:").into_iter().map(str::to_owned).collect();
    for metric in catalogue::all() {
        let endings: &[&str] =
            if metric.kind == Kind::Histogram { &["_bucket", "_sum", "_count"] } else { &[""] };
        known.extend(endings.iter().map(|ending| format!("{}{ending}", metric.name)));
    }
    known
}

/// Every expression of every panel, by board and panel.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files("ops/grafana", ".json") {
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), board["uid"].as_str());
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{}: {}", board["title"], panel["title"]);
                found.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_is_found() {
    let mut named: BTreeSet<String> = alerts().into_iter().map(|(_, page)| page).collect();
    for page in &named {
        let text = read(page);
        for part in ["**Seen:**", "**Harm:**", "## Look", "## Do", "**Done when**", "```sh"] {
            assert!(text.contains(part), "{page} lacks {part}");
        }
    }
    named.extend(files("ops/runbooks", ".md").iter().filter_map(|path| {
        let page = format!("ops/runbooks/{}", path.file_name().unwrap().to_str().unwrap());
        read("docs/operations.md").contains(&page).then_some(page)
    }));
    for path in files("ops/runbooks", ".md") {
        let page = format!("ops/runbooks/{}", path.file_name().unwrap().to_str().unwrap());
        assert!(named.contains(&page), "no alert and no page leads to {page}");
    }
}

#[test]
fn rules_and_charts_ask_for_what_there_is() {
    let known = known();
    let mut asked: Vec<(String, String)> = expressions();
    for file in ["recording.yml", "alerts.yml"] {
        let text = read(&format!("ops/prometheus/{file}"));
        let code: Vec<&str> = text.lines().filter(|line| !line.trim().starts_with('#')).collect();
        asked.push((file.to_owned(), code.join("\n")));
    }
    for (place, expression) in asked {
        for name in series(&expression) {
            assert!(known.contains(name), "{place} asks for {name}, which there is not");
        }
    }
}

#[test]
fn what_every_process_tells_alike_is_never_summed_over_processes() {
    let shared: Vec<&str> =
        catalogue::all().filter(|metric| metric.shared).map(|metric| metric.name).collect();
    let mut rules = read("ops/prometheus/recording.yml");
    rules.push_str(&read("ops/prometheus/alerts.yml"));
    let lines = rules.lines().map(|line| ("a rule".to_owned(), line.to_owned()));
    for (place, expression) in expressions().into_iter().chain(lines) {
        for name in series(&expression).into_iter().filter(|name| shared.contains(name)) {
            let most = expression.contains("max without (instance, pod)") && !expression.contains("sum");
            assert!(most, "{place}: {name} is the fleet's: {expression}");
        }
    }
}

#[test]
fn promtool_takes_the_rules_and_every_alert_is_tried_both_ways() {
    let tests = read("ops/prometheus/tests.yml");
    let tried = values(&tests, "name:");
    for (alert, _) in alerts() {
        for name in [alert.clone(), format!("{alert} is quiet")] {
            assert!(tried.contains(&name.as_str()), "no test `{name}`");
        }
    }
    for arguments in [
        &["check", "rules", "ops/prometheus/recording.yml", "ops/prometheus/alerts.yml"][..],
        &["check", "config", "--syntax-only", "ops/prometheus/prometheus.yml"],
        &["test", "rules", "ops/prometheus/tests.yml"],
    ] {
        let Some((well, said)) = promtool(arguments, "") else { return };
        assert!(well, "{arguments:?}: {said}");
    }
}

#[test]
fn promtool_takes_every_expression_of_the_charts() {
    let mut rules = String::from("groups:\n  - name: charts\n    rules:\n");
    for (number, (_, expression)) in expressions().iter().enumerate() {
        let quoted = serde_json::to_string(expression).unwrap();
        let rule = format!("      - record: chart:{number}\n        expr: {quoted}\n");
        rules.push_str(&rule);
    }
    let file = tempfile::Builder::new().suffix(".yml").tempfile().unwrap();
    std::fs::write(file.path(), &rules).unwrap();
    let Some((well, said)) = promtool(&["check", "rules", file.path().to_str().unwrap()], "") else { return };
    assert!(well, "{said}");
}

#[test]
fn panels_of_a_board_do_not_lie_on_each_other() {
    for path in files("ops/grafana", ".json") {
        let board: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut places: BTreeMap<(i64, i64), i64> = BTreeMap::new();
        for panel in board["panels"].as_array().unwrap() {
            let at = &panel["gridPos"];
            let place = (at["y"].as_i64().unwrap(), at["x"].as_i64().unwrap());
            let taken = places.insert(place, panel["id"].as_i64().unwrap());
            assert!(taken.is_none() && at["w"] == 12 && at["h"] == 8, "{}: {panel}", path.display());
        }
    }
}

#[test]
fn the_files_for_kubernetes_fit_each_other_and_the_program() {
    let all: Vec<(String, String)> = files("ops/kubernetes", ".yaml")
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (name, text)
        })
        .collect();
    let whole: String = all.iter().map(|(_, text)| text.as_str()).collect();
    let config = read("ops/kubernetes/sluice.toml");
    let port = config.lines().find_map(|line| line.strip_prefix("listen = \"0.0.0.0:")).unwrap();
    let port = port.split('"').next().unwrap();
    for (name, text) in &all {
        let deployments = text.matches("kind: Deployment").count();
        assert_eq!(text.matches("path: /healthz").count(), deployments, "{name}: livenessProbe");
        assert_eq!(text.matches("path: /readyz").count(), deployments, "{name}: readinessProbe");
        assert_eq!(text.matches(&format!("containerPort: {port}")).count(), deployments, "{name}");
        assert_eq!(text.matches("terminationGracePeriodSeconds: 45").count(), deployments, "{name}");
        assert_eq!(
            text.matches("readOnlyRootFilesystem: true").count(),
            text.matches("      containers:").count(),
            "{name}"
        );
    }
    // What is referred to is declared, or the operator is told to make it.
    let listed = values(&read("ops/kubernetes/kustomization.yaml"), "").concat();
    for (name, _) in all.iter().filter(|(name, _)| name != "kustomization.yaml") {
        assert!(listed.contains(name.as_str()), "{name} is not in kustomization.yaml");
    }
    for secret in values(&whole, "secretName:") {
        assert!(read("docs/operations.md").contains(secret), "nobody is told to make the secret {secret}");
    }
    assert!(root().join("ops/Dockerfile").exists());
}
