//! A model is retired in the middle of a request, a token ends too soon, and a freeze begins.

use serde_json::{Value, json};

use super::{
    Week, of,
    setting::{NEXT_TOKEN, names},
};
use crate::stage::id;

impl Week {
    pub fn friday(&mut self) {
        self.day("2026-03-27", "Friday, 27 March 2026");
        self.second_wave();
        self.model_goes();
        self.token_ends();
        self.freeze_begins();
    }

    fn second_wave(&mut self) {
        self.at("08:00");
        self.tell("Ben lets the second wave of version 2 go, and names the plan that he looked at.");
        let logging = self.logging.clone();
        let plan = self.stage.json(&["wave", "show", &logging])["plan_digest"].as_str().unwrap().to_owned();
        let line = [
            "wave",
            "approve",
            &logging,
            "--wave",
            "2",
            "--digest",
            &plan,
            "--actor",
            "ben",
            "--reason",
            "version 2 is fine",
        ];
        self.run(&line, &["request", "wave 2:"]);
        self.until_waves_wait(&logging, "approvals");
    }

    fn model_goes(&mut self) {
        self.at("11:30");
        self.tell("Wanda asks for better contrast on 30 pages. Her team has 24 slots. When they are taken, the provider retires gpt-5.4.");
        self.request("contrast.json", "contrast", "wanda", &names("web"));
        let request = self.submit("contrast-1", &["submit", "contrast.json"]);
        self.until_states(&request, &[("running", 24)]);
        self.stage.direct("models", &json!({ "name": "gpt-5.4", "available": false }));
        self.until_ended(&request);
        self.at("14:00");
        self.tell("What had started was not disturbed; of the rest each start was refused.");
        self.run(&["show", &request], &[]);
        let dead: Vec<Value> =
            of(&self.stage, &request).into_iter().filter(|job| job["state"] == "dead").collect();
        self.run(&["dead", "show", id(&dead[0])], &["job", "because", "what to do"]);
        self.tell("She asks for those four again, with another model. That needs somebody else's word.");
        let left: Vec<&str> = dead.iter().map(|job| job["repository"].as_str().unwrap()).collect();
        let mut line =
            vec!["submit", "--template", "contrast", "--requester", "wanda", "--model", "claude-opus-4.6"];
        line.extend(["--model-reason", "gpt-5.4 is retired"]);
        line.extend(left.iter().flat_map(|name| ["--repository", *name]));
        let again = self.submit("contrast-2", &line);
        for who in ["wanda", "zoe", "ana"] {
            self.run(&["approve", "--request", &again, "--actor", who, "--reason", "only four"], &[]);
        }
        self.until_ended(&again);
    }

    fn token_ends(&mut self) {
        self.at("16:00");
        self.tell("The token of `bot` ends tonight at nine, and a task may run for six hours. Ben lets the rest of the services go all the same.");
        let logging = self.logging.clone();
        self.until("a closed gate", |stage| {
            stage.ask("/v1/gates")["gates"]
                .as_array()
                .unwrap()
                .iter()
                .any(|gate| gate["key"] == "gate/identity/bot")
                .then_some(())
        });
        self.run(
            &["wave", "approve", &logging, "--actor", "ben", "--reason", "the second wave is merged"],
            &["request", "wave 3:"],
        );
        let waiting = of(&self.stage, &logging).into_iter().find(|job| job["wave"] == 3).unwrap();
        self.until_job_waits(&waiting, "token");
        // Which of the strides of the afternoon the gate was closed at is the daemon's matter.
        self.run_exact(&["why", id(&waiting)], &["job", "gate/", "it is"]);
        self.run_exact(&["identity", "check"], &[]);
        self.at("16:30");
        self.tell("Dana puts a new token into its file. Nothing is restarted.");
        self.stage.write("bot-token", format!("{NEXT_TOKEN}\n"));
        self.until_job_waits(&waiting, "the agent works");
        self.run(&["identity", "check"], &[]);
        self.until_ended(&logging);
        self.until_waves_wait(&logging, "every job of every wave has ended");
    }

    fn freeze_begins(&mut self) {
        self.at("22:00");
        self.tell("All services are done.");
        let logging = self.logging.clone();
        self.run(&["wave", "show", &logging], &[]);
        self.tell("Pia asks for an audit log in 30 payment services. Her team is frozen since four o'clock, until Monday.");
        self.request("audit-log.json", "audit-log", "pia", &names("pay"));
        let request = self.submit("audit-log", &["submit", "audit-log.json"]);
        let first = of(&self.stage, &request).remove(0);
        self.until_job_waits(&first, "freeze weekends");
        self.run_exact(&["why", id(&first)], &[]);
        self.run_exact(&["freeze", "list"], &[]);
        self.tell("Ten of them are regulated, and wait for an approval besides.");
        for who in ["pia", "ana"] {
            self.run(
                &["approve", "--request", &request, "--actor", who, "--reason", "agreed with the auditors"],
                &[],
            );
        }
        self.payments = request;
    }
}
