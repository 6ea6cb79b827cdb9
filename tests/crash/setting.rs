//! What one test differs in from another, and the files that both programs read. Times are tens of milliseconds.

use std::fmt::Write as _;

use crate::story::{CREATE, Story};

/// Everything that makes one test different from another.
#[derive(Clone, Debug)]
pub struct Setting {
    pub stories: Vec<Story>,
    /// Tasks at once.
    pub slots: u32,
    pub starts_in_flight: u32,
    /// How long each task works.
    pub run_ms: u32,
    /// So many first starts wait so many milliseconds, before or after their effect.
    pub slow_starts: Option<(u32, u32, &'static str)>,
    /// So many first notices are refused by their receiver.
    pub refused_notices: u32,
    /// How late lists show what happened.
    pub list_lag_ms: u32,
    /// Between a crash and the next life.
    pub down_ms: u64,
    /// None: SQLite in the test's folder.
    pub ledger: Option<String>,
    /// One job first, then the rest.
    pub waves: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            stories: Story::QUICK.to_vec(),
            slots: 3,
            starts_in_flight: 16,
            run_ms: 60,
            slow_starts: None,
            refused_notices: 0,
            list_lag_ms: 40,
            down_ms: 0,
            ledger: None,
            waves: false,
        }
    }
}

impl Setting {
    /// The repositories with their stories, in the order of the request.
    pub fn repositories(&self) -> impl Iterator<Item = (String, Story)> {
        self.stories
            .iter()
            .enumerate()
            .map(|(number, story)| (format!("acme/{}-{number}", format!("{story:?}").to_lowercase()), *story))
    }

    /// The simulator's scenario.
    pub fn scenario(&self) -> String {
        let mut text = SCENARIO
            .replace("RUN_MS", &self.run_ms.to_string())
            .replace("LAG_MS", &self.list_lag_ms.to_string());
        for (repository, story) in self.repositories() {
            text.push_str(&story.tables(&repository));
        }
        if let Some((times, latency_ms, when)) = self.slow_starts {
            write!(
                text,
                "[[faults]]\nwhen = \"{when}\"\nlatency_ms = {latency_ms}\ntimes = {times}\n[faults.match]\n\
                 method = \"POST\"\nroute = \"{CREATE}\"\n"
            )
            .unwrap();
        }
        text
    }

    /// The one template.
    pub fn template(&self) -> String {
        let waves = if self.waves { "[waves]\nsizes = [\"1\", \"2\", \"rest\"]\n" } else { "" };
        format!("{TEMPLATE}{waves}")
    }

    /// The daemon's configuration.
    pub fn configuration(&self, simulator: &str) -> String {
        CONFIGURATION
            .replace("LEDGER", self.ledger.as_deref().unwrap_or("sqlite:ledger.db"))
            .replace("SIMULATOR", simulator)
            .replace("SLOTS", &self.slots.to_string())
            .replace("IN_FLIGHT", &self.starts_in_flight.to_string())
    }
}

const SCENARIO: &str = r#"
[defaults]
queued_ms = 20
session_delay_ms = 10
artifact_delay_ms = 20
run_ms = RUN_MS
list_lag_ms = LAG_MS
files = ["Cargo.toml"]
checks = [{ name = "ci", queued_ms = 5, run_ms = 10 }]
review = "merged"
review_starts = "requested"
review_after_ms = 40
[[repositories]]
match = "acme/*"
collaborators = ["ana", "ben"]
[[tokens]]
name = "operator"
secret = "sim-token"
user = "octo-operator"
"#;

const CONFIGURATION: &str = r#"
[ledger]
url = "LEDGER"
[http]
listen = "127.0.0.1:0"
token_file = "token"
[github]
base_url = "SIMULATOR"
request_timeout_ms = 5_000
min_write_gap_ms = 0
[[identity]]
name = "bot"
token = "env:CRASH_TEST_TOKEN"
[policy]
repositories = ["acme/*"]
[[budget]]
name = "slots"
kind = "slots"
per = "global"
limit = SLOTS
[[budget]]
name = "slots"
kind = "slots"
per = "repository"
limit = 1
[[budget]]
name = "unproven"
kind = "change"
per = "request"
limit = 12
[[budget]]
name = "starts"
kind = "window"
per = "global"
limit = 1000
period = "1h"
[[budget]]
name = "credits"
kind = "spend"
per = "global"
limit = 100000
period = "month"
[[pool]]
name = "reviewers"
[[pool.member]]
login = "ana"
open_reviews = 3
[[pool.member]]
login = "ben"
open_reviews = 3
[tracking]
running_ms = 30
waiting_ms = 30
review_ms = 30
full_sweep_ms = 300
[recovery]
look_up_window_seconds = 1
start_within_seconds = 1
lease_seconds = 3
sweep_seconds = 1
result_within_seconds = 3
[notices]
base_ms = 100
[notices.webhook]
allow_private = ["127.0.0.0/8"]
url = "SIMULATOR/_control/webhooks/sink"
secret = "env:CRASH_TEST_SECRET"
[worker]
starts_in_flight = IN_FLIGHT
"#;

/// Signs notices.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const TEMPLATE: &str = r#"
name = "bump"
version = 1
summary = "Bump a dependency"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
labels = ["agent"]
reviewers = "reviewers"
pull_request = true
estimate_credits = 100
prompt = "Bump {{ inputs.package | data }} in {{ repository.full_name }}."
[inputs]
type = "object"
required = ["package"]
[inputs.properties.package]
type = "string"
[scope]
may_change = ["**"]
[retry]
max_attempts = 10
base_ms = 20
max_ms = 100
on = ["infrastructure", "rate_limited"]
"#;
