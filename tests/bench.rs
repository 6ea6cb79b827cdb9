//! The benchmarks run, with their own servers, and leave nothing. What they measure is not judged here: no figure of a busy
//! machine is worth a failed test.

#[cfg(test)]
mod runs {
    use std::process::Command;

    use serde_json::Value;

    /// Runs one benchmark in a folder for temporary things of its own; gives what it found.
    fn bench(what: &str) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sluice"))
            .args(["bench", what, "--quick", "--json"])
            .env("TMPDIR", folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn names(found: &Value) -> Vec<&str> {
        assert!(found["machine"]["cores"].as_u64().unwrap() > 0, "{found}");
        let figures = found["figures"].as_array().unwrap();
        assert!(figures.iter().all(|figure| figure["value"].as_f64().is_some_and(f64::is_finite)), "{found}");
        figures.iter().map(|figure| figure["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_gate_is_measured_in_memory_and_in_redis_beside_redis_itself() {
        let found = bench("gate");
        let names = names(&found);
        for part in [
            "Redis: empty script",
            "ten-call dequeue",
            "ratio of the two",
            "memory: offer, admit, release",
            "Redis: offer, admit, release",
            "one at a time each",
            "that do not, all proposed",
            "with the ledger's answers to them",
            "memory per waiting job",
        ] {
            assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
        }
    }

    #[test]
    fn the_way_from_one_process_to_another_is_measured() {
        let found = bench("wake");
        let names = names(&found);
        for part in ["p50", "p95", "commands at Redis"] {
            assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
        }
    }

    #[test]
    fn the_way_in_over_http_is_measured() {
        let found = bench("http");
        let names = names(&found);
        for part in ["accepted over HTTP by 32 clients", "99 came within"] {
            assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
        }
    }

    #[test]
    fn the_whole_way_is_measured_on_every_pair_of_stores() {
        let found = bench("end-to-end");
        let names = names(&found);
        for part in [
            "SQLite, gate in memory",
            "SQLite, gate in Redis",
            "PostgreSQL, gate in memory",
            "PostgreSQL, gate in Redis",
            "builds a gate in Redis",
        ] {
            assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
        }
    }

    #[test]
    fn a_replay_of_policy_is_measured() {
        let found = bench("replay");
        let names = names(&found);
        for part in ["decisions replayed per second", "with rules of repositories"] {
            assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
        }
    }

    #[test]
    fn the_intake_is_measured_into_both_ledgers() {
        let found = bench("intake");
        let names = names(&found);
        for part in
            ["accepted over Redis, SQLite", "accepted over Redis, PostgreSQL", "until every event was told"]
        {
            assert!(names.iter().any(|name| name.contains(part)), "{part}: {names:?}");
        }
    }
}
