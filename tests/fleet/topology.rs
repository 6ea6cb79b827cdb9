//! The fleet of `docker-compose.yml` without containers: its configuration with the addresses of this machine, Redis as it is
//! started there, PostgreSQL, the daemon, two workers, the simulator with the demo's scenario, and the demo's request.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    books::Reader,
    judge,
    stage::{Process, eventually, process, wire},
    support::{Postgres, RedisServer},
};

fn shipped(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The words that the containers' Redis is started with.
fn redis_arguments() -> Vec<String> {
    let compose = shipped("docker-compose.yml");
    let words = compose.lines().map(str::trim).skip_while(|line| *line != "- redis-server").skip(1);
    let words = words.map_while(|line| line.strip_prefix("- "));
    words.map(|word| word.trim_matches('"').to_owned()).collect()
}

/// The shipped configuration, where only places differ.
fn configuration(folder: &Path, ledger: &str, redis: &str) -> String {
    let place = |name: &str| folder.join(name).display().to_string();
    let mut text = shipped("config/compose.toml");
    for (there, here) in [
        ("postgres://sluice@postgres/sluice", ledger),
        ("redis://redis:6379/0", redis),
        ("/run/secrets/postgres_password", &place("postgres-password")),
        ("/run/secrets/github_token", &place("github-token")),
        ("/run/sluice/token", &place("token")),
        ("127.0.0.1:4280", "127.0.0.1:0"),
    ] {
        assert!(text.contains(there), "config/compose.toml no longer says {there}");
        text = text.replace(there, here);
    }
    text
}

fn secret(folder: &Path, name: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs::write(&path, shipped(&format!("ops/simulate/{name}"))).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn template(folder: &Path, path: &str) {
    let to = folder.join(path.trim_start_matches("config/"));
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    // What is a minute between two attempts in earnest.
    fs::write(to, shipped(path).replace("base_ms = 60_000", "base_ms = 300")).unwrap();
}

fn address(file: &Path) -> String {
    eventually("an address", || {
        let url = fs::read_to_string(file).ok()?.trim().to_owned();
        (!url.is_empty()).then_some(url)
    })
}

fn strings(line: &[&str]) -> Vec<String> {
    line.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_fleet_of_the_compose_file_plays_the_demo_to_its_end() {
    let folder: TempDir = tempfile::Builder::new().prefix("sluicegate-compose-").tempdir().unwrap();
    let path = folder.path();
    let arguments = redis_arguments();
    assert!(arguments.len() >= 4, "{arguments:?}");
    let redis = RedisServer::with(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let ledger = Postgres::shared().database();
    for name in ["github-token", "postgres-password"] {
        secret(path, name);
    }
    template(path, "config/templates/dependency-upgrade/1.toml");
    fs::write(path.join("scenario.toml"), shipped("config/scenarios/demo.toml")).unwrap();
    fs::write(path.join("request.toml"), shipped("config/demo/request.toml")).unwrap();
    fs::write(path.join("sluice.toml"), configuration(path, &ledger, &redis.url())).unwrap();
    let line = ["simulate", "--listen", "127.0.0.1:0", "--scenario", "scenario.toml", "--port-file", "port"];
    let _simulator = Process::start("simulator", path, &strings(&line), &[]);
    let simulator = address(&path.join("port"));
    // What is minutes in earnest is moments here.
    let env = [
        ("SLUICE_GITHUB__BASE_URL", simulator.as_str()),
        ("SLUICE_GITHUB__MIN_WRITE_GAP_MS", "0"),
        ("SLUICE_TRACKING__RUNNING_MS", "200"),
        ("SLUICE_TRACKING__WAITING_MS", "200"),
        ("SLUICE_TRACKING__REVIEW_MS", "200"),
        ("SLUICE_TRACKING__FULL_SWEEP_MS", "2000"),
    ];
    let config = ["--config", "sluice.toml"];
    let mut workers: Vec<Process> = [["serve"], ["work"], ["work"]]
        .iter()
        .enumerate()
        .map(|(number, command)| {
            let host = format!("host-{number}");
            let env = [&env[..], &[("HOSTNAME", host.as_str())]].concat();
            let worker = Process::start(&host, path, &strings(&[&command[..], &config].concat()), &env);
            // As the containers are asked.
            eventually("a healthy worker", || {
                let ran = process::run(path, &strings(&[&["health"][..], &config].concat()), &env);
                (ran.code == 0).then_some(())
            });
            worker
        })
        .collect();
    let daemon = address(&path.join("token.url"));
    let server = ["--server", daemon.as_str()];
    let ran = process::run(
        path,
        &strings(&[&config[..], &server, &["submit", "request.toml", "--json"]].concat()),
        &[],
    );
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let mut reader = Reader::new();
    eventually("the end of every job", || {
        let jobs = reader.jobs(&ledger)?;
        (!jobs.is_empty() && jobs.iter().all(|job| job.state.is_terminal())).then_some(())
    });
    for worker in &mut workers {
        worker.signal("TERM");
        assert!(worker.wait().success());
    }
    let books = reader.books(&ledger);
    assert_eq!(books.broken, Vec::<String>::new());
    assert_eq!(books.jobs.len(), 12);
    let (status, creates) = wire::exchange(&simulator, "GET", "/_control/creates", &[], b"").unwrap();
    assert_eq!(status, 200);
    judge::authorised(&serde_json::from_str::<Vec<Value>>(&creates).unwrap(), &books);
}
