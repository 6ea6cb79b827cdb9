//! The freeze ends; one task runs out of time, one waits for a person, one does what it must not; then everything is at its end.

use serde_json::json;

use super::{Week, of};
use crate::{oracle::created_ms, stage::id};

impl Week {
    pub fn monday(&mut self) {
        self.day("2026-03-30", "Monday, 30 March 2026");
        let request = self.payments.clone();
        let before = created_ms(&self.stage).len();
        self.at("08:59");
        for at in ["2026-03-30T06:59:59Z", "2026-03-30T07:00:00Z"] {
            self.run_exact(&["freeze", "check", "acme/pay-001", "--team", "payments", "--at", at], &["acme"]);
        }
        assert_eq!(created_ms(&self.stage).len(), before, "created in a freeze");
        self.at("09:00");
        self.until_states(&request, &[("succeeded", 28), ("waiting_for_user", 1), ("quarantined", 1)]);
        self.tell("At nine the gate opens by itself.");
        self.at("14:00");
        self.tell("28 are merged; one of them ran out of time at first and was tried with less to do. Two need people.");
        self.run(&["show", &request], &[]);
        let job = |week: &Self, name: &str| {
            of(&week.stage, &request)
                .into_iter()
                .find(|job| job["repository"] == format!("acme/{name}"))
                .unwrap()
        };
        for name in ["pay-007", "pay-021", "pay-023", "pay-025"] {
            let job = job(self, name);
            self.life(&job);
        }
        let (asks, outside) = (job(self, "pay-021"), job(self, "pay-025"));
        let detail = self.stage.ask(&format!("/v1/jobs/{}", id(&asks)));
        self.tell("The agent is answered. Workflows are not to be touched: Ben throws that result away.");
        let task = detail["attempts"][0]["task_id"].as_str().unwrap();
        self.stage.direct(&format!("tasks/{task}/answer"), &json!({}));
        self.run(
            &["discard-result", id(&outside), "--actor", "ben", "--reason", "CI is not to be touched"],
            &[],
        );
        self.until_ended(&request);
        self.life(&asks);

        self.day("2026-03-31", "Tuesday, 31 March 2026");
        self.at("09:00");
        self.tell("Everything has ended.");
        for job in self.stage.json(&["dead", "list"])["jobs"].as_array().unwrap().clone() {
            let reason = "dealt with";
            self.stage.json(&["dead", "discard", id(&job), "--actor", "dana", "--reason", reason]);
        }
        self.run(&["identity", "audit", "--month", "2026-03"], &["bot", "pay", "may reach"]);
        let verified = self.stage.json(&["audit", "verify"]);
        assert_eq!(verified["broken"], json!(null));
    }
}
