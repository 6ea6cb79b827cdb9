//! `sluice demo --json`: it shows everything that it is there to show, keeps every promise, and leaves nothing running.

#[cfg(test)]
mod demo {
    use std::{
        fs,
        io::{BufRead as _, BufReader},
        path::Path,
        process::{Command, Stdio},
    };

    use serde_json::Value;

    /// Processes whose working directory is below the folder.
    fn running_below(folder: &Path) -> Vec<String> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let below = processes.filter_map(|process| {
            let directory = fs::read_link(process.path().join("cwd")).ok()?;
            directory.starts_with(folder).then(|| process.file_name().to_string_lossy().into_owned())
        });
        below.collect()
    }

    #[test]
    fn the_demo_shows_the_whole_way_and_cleans_up() {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(["demo", "--json"])
            .env("TMPDIR", folder.path())
            // Settings of the user must not reach the demo.
            .env("SLUICE_LEDGER__URL", "sqlite:/nowhere/ledger.db")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        let document: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{complaint}"));
        assert_eq!(document["missing"], serde_json::json!([]), "{said}");
        assert_eq!(document["invariants"]["broken"], serde_json::json!([]), "{said}");
        assert_eq!((document["ok"].as_bool(), output.status.code()), (Some(true), Some(0)), "{said}");

        assert_eq!(document["jobs"].as_array().unwrap().len(), 12);
        assert_eq!(document["outcomes"], serde_json::json!({"succeeded": 9, "rejected": 1, "dead": 2}));
        assert!(document["elapsed_ms"].as_u64().unwrap() < 60_000);
        let showed = |name: &str, repository: &str| {
            let seen = document["showed"][name].as_array().unwrap();
            assert!(seen.iter().any(|name| name == repository), "{name} {repository}: {said}");
        };
        showed("waiting_for_user", "acme/billing");
        showed("retried", "acme/search");
        showed("dead", "acme/ledger");
        showed("timed_out", "acme/mobile");
        showed("merged", "acme/api");
        showed("start_found_by_marker", "acme/auth");
        for wait in ["slot", "reviewer", "person", "review"] {
            assert!(document["waits"][wait]["total_ms"].as_u64().unwrap() > 0, "{wait}: {said}");
        }
        let notices = document["notices"].as_array().unwrap();
        assert!(notices.len() >= 3 && notices.iter().all(|notice| notice["signed"] == true), "{said}");
        assert!(document["credits"].as_f64().unwrap() > 100.0);

        assert_eq!(running_below(folder.path()), Vec::<String>::new());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the demo's folder is left");
    }

    #[test]
    fn an_interrupted_demo_leaves_nothing_running() {
        let folder = tempfile::tempdir().unwrap();
        let mut demo = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .arg("demo")
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        // It introduces itself once both processes answer.
        let mut lines = BufReader::new(demo.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        assert_eq!(running_below(folder.path()).len(), 2, "{line}");
        let told = Command::new("kill").args(["-TERM", &demo.id().to_string()]).status().unwrap();
        assert!(told.success());
        let output = demo.wait_with_output().unwrap();
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{complaint}");
        assert!(complaint.starts_with("error: interrupted"), "{complaint}");
        assert_eq!(running_below(folder.path()), Vec::<String>::new());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the demo's folder is left");
    }
}
