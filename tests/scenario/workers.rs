//! Several workers on one SQLite file with the gate in Redis: each does its part, and what one leaves another goes on with.

use std::fs;

use serde_json::{Value, json};

use crate::{
    aftermath::assert_sound,
    stage::{HOOK_SECRET, Process, Settings, Stage, eventually, is_end},
    support::RedisServer,
    world::{scenario, story},
};

/// A daemon that only admits, and workers for everything else.
struct Fleet {
    stage: Stage,
    settings: Settings,
    workers: Vec<(&'static str, Process)>,
    _redis: RedisServer,
}

impl Fleet {
    fn start(stories: &str, daemon: &str, workers: &[(&'static str, &str)]) -> Self {
        Self::with(stories, daemon, workers, |text| text)
    }

    /// With a change to the configuration.
    fn with(
        stories: &str,
        daemon: &str,
        workers: &[(&'static str, &str)],
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let redis = RedisServer::start();
        let more =
            format!("[gate]\nurl = \"redis://127.0.0.1:{}\"\n[streams]\nintake = false\n", redis.port());
        let settings = Settings { more, slots: 6, ..Settings::default() };
        let mut stage = Stage::set(&scenario(stories), &settings);
        let text = fs::read_to_string(stage.path("sluice.toml")).unwrap();
        let text = text.replace("[worker]", &format!("[worker]\nroles = {daemon}"));
        stage.write("sluice.toml", change(text));
        stage.open();
        let mut fleet = Self { stage, settings, workers: Vec::new(), _redis: redis };
        for (name, roles) in workers {
            fleet.begin(name, roles);
        }
        fleet
    }

    fn begin(&mut self, name: &'static str, roles: &str) {
        let config = self.stage.path("sluice.toml").display().to_string();
        let line = ["work", "--config", &config, "--role", roles].map(str::to_owned);
        let env = [("SLUICE_TEST_HOOK", HOOK_SECRET), ("SLUICE_WORKER__NAME", name)];
        let worker = Process::start(name, self.stage.folder.path(), &line, &env);
        self.workers.push((name, worker));
        eventually(name, || self.worker(name));
    }

    fn fleet(&self) -> Vec<Value> {
        self.stage.ask("/v1/workers")["workers"].as_array().unwrap().clone()
    }

    /// A worker as the daemon tells of it.
    fn worker(&self, name: &str) -> Option<Value> {
        let begins = format!("{name}:");
        self.fleet().into_iter().find(|worker| worker["name"].as_str().unwrap().starts_with(&begins))
    }

    fn holder(&self, lease: &str) -> Option<String> {
        let holds = |worker: &Value| worker["leases"].as_array().unwrap().iter().any(|name| name == lease);
        let found = self.fleet().into_iter().find(holds)?;
        found["name"].as_str().unwrap().split(':').next().map(str::to_owned)
    }

    /// SIGTERM to every worker, then what must hold after every test.
    fn end(mut self) {
        for (name, worker) in &mut self.workers {
            if worker.is_running() {
                worker.signal("TERM");
                assert!(worker.wait().success(), "{name}");
            }
        }
        let Self { stage, settings, .. } = self;
        assert_sound(stage, &settings, &[]);
    }
}

#[test]
fn one_worker_for_each_role_brings_requests_to_their_end() {
    let roles = ["start", "track", "review", "notify"].map(|role| (role, role));
    let fleet = Fleet::start(&story("slow", "run_ms = 2500"), "[\"admit\"]", &roles);
    fleet.stage.submit("bump", &["slow", "a", "b", "c"], &json!({}));
    fleet.stage.reaches("slow", "running");
    // The task was started by one worker and is driven by another.
    let tracker = eventually("the tracker drives it", || {
        fleet.worker("track").filter(|worker| worker["drives"][0]["tasks"].as_u64() >= Some(1))
    });
    assert_eq!(tracker["roles"], "track");
    for (lease, holder) in [("track/bot", "track"), ("review/bot", "review"), ("notify", "notify")] {
        assert_eq!(fleet.holder(lease).as_deref(), Some(holder), "{lease}");
    }
    let starts = fleet.worker("start").unwrap()["drives"].clone();
    assert!(starts.as_array().unwrap().iter().all(|driven| driven["tasks"] == 0), "{starts}");
    let jobs = fleet.stage.ends();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    fleet.end();
}

#[test]
fn roles_that_nobody_has_are_named_by_why_and_by_the_doctor() {
    let mut fleet = Fleet::start("", "[\"notify\"]", &[]);
    fleet.stage.submit("bump", &["a"], &json!({}));
    let id = fleet.stage.job("a")["id"].as_str().unwrap().to_owned();
    let why = fleet.stage.sluice(&["why", &id]).out;
    assert!(why.contains("no living worker has the roles `admit` and `start`"), "{why}");
    let warned = "warn  workers    no living worker has the roles admit,start,track,review";
    let doctor = fleet.stage.sluice(&["doctor"]).out;
    assert!(doctor.contains(warned), "{doctor}");
    fleet.begin("hand", "admit,start,track,review");
    fleet.stage.ends();
    let doctor = fleet.stage.sluice(&["doctor"]).out;
    assert!(!doctor.contains("no living worker"), "{doctor}");
    fleet.end();
}

#[test]
fn a_wake_up_reaches_a_worker_that_admits() {
    let rarely = |text: String| {
        text.replace("sweep_seconds = 1", "sweep_seconds = 200")
            .replace("lease_seconds = 3", "lease_seconds = 600")
    };
    let all = "admit,start,track,review,notify";
    let fleet = Fleet::with("", "[\"notify\"]", &[("hand", all)], rarely);
    // Were some wake-ups taken by the daemon, which admits nothing, their jobs would wait for a sweep.
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        fleet.stage.submit("bump", &[name], &json!({}));
        eventually(name, || (fleet.stage.job(name)["state"] != "queued").then_some(()));
    }
    fleet.stage.ends();
    fleet.end();
}

#[test]
fn what_a_killed_worker_followed_another_one_follows_to_its_end() {
    let both = "admit,start,track,review,notify";
    let mut fleet = Fleet::start(&story("*", "run_ms = 1500"), "[\"notify\"]", &[("first", both)]);
    fleet.begin("second", both);
    eventually("a follower", || fleet.holder("track/bot").filter(|name| name == "first"));
    fleet.stage.submit("bump", &["a", "b", "c", "d", "e", "f"], &json!({}));
    for name in ["a", "b", "c"] {
        fleet.stage.reaches(name, "running");
    }
    let (_, first) = fleet.workers.first().expect("the first worker");
    first.signal("KILL");
    eventually("a new follower", || fleet.holder("track/bot").filter(|name| name == "second"));
    eventually("the end of every job", || fleet.stage.jobs().iter().all(is_end).then_some(()));
    let jobs = fleet.stage.jobs();
    assert!(jobs.iter().all(|job| job["state"] == "succeeded"), "{jobs:?}");
    assert_eq!(fleet.stage.control("creates").as_array().unwrap().len(), 6, "nothing was started twice");
    fleet.end();
}

#[test]
fn a_pause_and_a_withdrawal_are_known_to_every_worker_when_they_are_acknowledged() {
    let roles = [("one", "start"), ("two", "start"), ("three", "track,review,notify")];
    let fleet = Fleet::start(&crate::world::slow_creates(150), "[\"admit\"]", &roles);
    let names: Vec<String> = (0..30).map(|n| format!("r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fleet.stage.submit("bump", &names, &json!({}));
    let creates = || fleet.stage.control("creates").as_array().unwrap().len();
    eventually("the first tasks", || (creates() >= 3).then_some(()));
    let by = ["--reason", "incident", "--actor", "ana"];
    fleet.stage.json(&[&["pause", "global"][..], &by].concat());
    // The simulator has taken a create in before it answers it, and every answer came before the acknowledgement.
    let there = creates();
    assert!(there < 30, "everything was started before the pause");
    let job = fleet.stage.job("r29");
    fleet.stage.json(&[&["cancel", job["id"].as_str().unwrap()][..], &by].concat());
    eventually("nothing is being started", || {
        let starting = |job: &Value| ["starting", "start_unknown"].iter().any(|state| job["state"] == *state);
        (!fleet.stage.jobs().iter().any(starting)).then_some(())
    });
    assert_eq!(creates(), there, "a task was created after the pause was acknowledged");
    fleet.stage.json(&[&["resume", "global"][..], &by].concat());
    let jobs = fleet.stage.ends();
    let succeeded = jobs.iter().filter(|job| job["state"] == "succeeded").count();
    assert_eq!((succeeded, creates()), (29, 29));
    fleet.end();
}
