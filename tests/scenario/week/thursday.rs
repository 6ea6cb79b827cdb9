//! Two canaries are well, the second wave breaks builds, the breaker stops the template, and a mended version closes it again.

use serde_json::{Value, json};

use super::{
    Week, of,
    setting::{names, template},
};
use crate::stage::{Stage, id};

/// How many of the second wave break before the breaker opens.
const BROKEN: usize = 5;

fn breaker(stage: &Stage) -> Option<String> {
    let listed = stage.ask("/v1/breakers");
    let state = listed["breakers"].as_array()?.first()?["state"].as_str()?;
    Some(state.to_owned())
}

/// Jobs of a wave.
fn wave(stage: &Stage, request: &str, number: u64) -> Vec<Value> {
    let mut jobs = of(stage, request);
    jobs.retain(|job| job["wave"] == number);
    jobs
}

impl Week {
    pub fn thursday(&mut self) {
        self.day("2026-03-26", "Thursday, 26 March 2026");
        let first = self.canaries();
        self.breaks(&first);
        self.mends(&first);
    }

    fn canaries(&mut self) -> String {
        self.at("09:00");
        self.tell("Carla wants every service to log in one format: 140 repositories, two of them first.");
        self.request("logging.json", "logging", "carla", &names("svc"));
        self.run(&["plan", "logging.json"], &["this request", "skipped"]);
        let request = self.submit("logging-1", &["submit", "logging.json"]);
        self.until_waves_wait(&request, "approvals");
        self.at("12:00");
        self.tell("Both canaries are merged and an hour has passed. Whoever asked cannot approve, nor can anybody without the role.");
        self.run(&["wave", "show", &request], &[]);
        for who in ["carla", "ana", "ben"] {
            let reason = "the canaries look well";
            self.run(
                &["wave", "approve", &request, "--wave", "2", "--actor", who, "--reason", reason],
                &["error", "request", "wave 2:"],
            );
        }
        request
    }

    fn breaks(&mut self, request: &str) {
        self.until_states(request, &[("running", 10)]);
        for job in wave(&self.stage, request, 2).iter().take(BROKEN) {
            let detail = self.stage.ask(&format!("/v1/jobs/{}", id(job)));
            let task = detail["attempts"][0]["task_id"].as_str().unwrap();
            self.stage.direct(&format!("tasks/{task}/fail"), &json!({ "message": "tests failed: 3 of 214" }));
        }
        self.until_states(request, &[("dead", BROKEN), ("succeeded", 7)]);
        self.until_waves_wait(request, "failed");
        assert_eq!(breaker(&self.stage).as_deref(), Some("open"));
        self.at("15:00");
        self.tell("Half of the second wave broke its builds. The breaker has stopped the template, and the waves wait for a person.");
        self.run(&["breaker", "list"], &[]);
        self.run(&["gates"], &[]);
        self.run(&["wave", "show", request], &[]);
        let waiting = wave(&self.stage, request, 3);
        self.run(&["why", id(&waiting[0])], &[]);
        self.run(
            &["wave", "abort", request, "--actor", "carla", "--reason", "the prompt forgets the tests"],
            &["request", "nothing"],
        );
    }

    fn mends(&mut self, first: &str) {
        self.at("15:30");
        self.tell("Dana writes version 2 and restarts the daemon. Carla asks for what is left.");
        let text = template("logging", "platform", "claude-sonnet-4.6", super::setting::WAVES);
        let text = text.replace("version = 1", "version = 2\nreplaces = \"logging@1\"");
        let text = text.replace("Do it in", "Run the tests before you are done. Do it in");
        self.stage.write("templates/logging/2.toml", text);
        assert!(self.stage.close().success());
        self.stage.open();
        self.run(&["template", "diff", "logging@1", "logging@2"], &[]);
        let done: Vec<Value> =
            of(&self.stage, first).into_iter().filter(|job| job["state"] == "succeeded").collect();
        let left: Vec<String> = names("svc")
            .into_iter()
            .filter(|name| !done.iter().any(|job| job["repository"] == format!("acme/{name}")))
            .collect();
        self.request("logging-2.json", "logging@2", "carla", &left);
        self.run(&["plan", "logging-2.json", "--out", "plan.json"], &["this request", "skipped", "closed"]);
        let request = self.submit("logging-2", &["apply", "plan.json"]);
        let canary = wave(&self.stage, &request, 1);
        self.until_job_waits(&canary[0], "breaker");
        self.run(&["why", id(&canary[0])], &[]);
        self.until("a closed breaker", |stage| (breaker(stage).as_deref() == Some("closed")).then_some(()));
        self.until_waves_wait(&request, "approvals");
        self.at("21:00");
        self.tell("After its cool-down the breaker let one job through, and that one was well.");
        self.run(&["breaker", "list", "--history"], &[]);
        self.run(&["wave", "show", &request], &[]);
        self.logging = request;
    }
}
