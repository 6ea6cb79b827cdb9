//! Nothing starts, but for one that is let through.

use super::{Week, of};
use crate::stage::id;

impl Week {
    pub fn weekend(&mut self) {
        self.day("2026-03-28", "Saturday, 28 March 2026");
        self.at("10:00");
        self.tell("One service has a hole. Whoever asked cannot make the exception.");
        let request = self.payments.clone();
        let urgent =
            of(&self.stage, &request).into_iter().find(|job| job["repository"] == "acme/pay-003").unwrap();
        for who in ["pia", "ben"] {
            let line = [
                "freeze",
                "exempt",
                "--job",
                id(&urgent),
                "--until",
                "8h",
                "--reason",
                "security fix",
                "--actor",
                who,
            ];
            self.run_exact(&line, &[]);
        }
        self.until_states(&request, &[("succeeded", 1)]);
        self.at("18:00");
        self.run(&["show", &request], &[]);

        self.day("2026-03-29", "Sunday, 29 March 2026");
        self.at("12:00");
        self.tell("In the night the clocks were put forward. A window of 64 hours is as long as before, so it ends an hour later by them.");
        self.run_exact(&["freeze", "check", "acme/pay-001", "--team", "payments"], &[]);
    }
}
