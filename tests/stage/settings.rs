//! The configuration and the templates of a stage, with everything short that is long in earnest.

use std::path::Path;

/// Planted: none of these may turn up anywhere. The simulator knows the first by the name `operator`.
pub const BOT_TOKEN: &str = "ghp_PlantedTokenOfTheBot0123456789";
pub const HOOK_SECRET: &str = "whsec_UGxhbnRlZFNlY3JldE9mVGhlV2ViaG9va05vT25lU2VlcyE=";

/// What tests set; the rest is the same for all.
#[derive(Clone, Debug)]
pub struct Settings {
    /// None: a SQLite file in the folder.
    pub ledger: Option<String>,
    pub slots: u32,
    /// Further keys of `[policy]`, as TOML.
    pub policy: String,
    /// Further tables, as TOML.
    pub more: String,
    /// Members of the pool, with their open reviews.
    pub reviewers: Vec<(&'static str, u32)>,
    pub starts_in_flight: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ledger: None,
            slots: 3,
            policy: String::new(),
            more: String::new(),
            reviewers: vec![("ana", 2), ("ben", 2)],
            starts_in_flight: 8,
        }
    }
}

impl Settings {
    pub fn text(&self, folder: &Path, simulator: &str) -> String {
        let folder = folder.display();
        let ledger = self.ledger.clone().unwrap_or_else(|| format!("sqlite:{folder}/ledger.db"));
        let members: Vec<String> = self
            .reviewers
            .iter()
            .map(|(login, open)| format!("[[pool.member]]\nlogin = \"{login}\"\nopen_reviews = {open}\n"))
            .collect();
        let members = members.concat();
        let Self { slots, more, policy, starts_in_flight, .. } = self;
        format!(
            r#"
[ledger]
url = "{ledger}"
[http]
listen = "127.0.0.1:0"
token_file = "{folder}/token"
[github]
base_url = "{simulator}"
request_timeout_ms = 5000
requests_per_hour_reserve_for_starts = 0
min_write_gap_ms = 0
[[identity]]
name = "bot"
token = "file:bot-token"
[policy]
repositories = ["acme/*"]
{policy}
[[budget]]
name = "slots"
kind = "slots"
per = "global"
limit = {slots}
[[budget]]
name = "slots"
kind = "slots"
per = "repository"
limit = 1
[[budget]]
name = "credits"
kind = "spend"
per = "global"
limit = 100000
period = "month"
[[pool]]
name = "reviewers"
{members}
[tracking]
running_ms = 80
waiting_ms = 80
review_ms = 80
idle_grace_ms = 300
full_sweep_ms = 2000
overlap_ms = 1000
[recovery]
look_up_window_seconds = 10
start_within_seconds = 10
lease_seconds = 3
sweep_seconds = 1
result_within_seconds = 3
[notices]
base_ms = 100
[notices.webhook]
allow_private = ["127.0.0.0/8"]
url = "{simulator}/_control/webhooks/sink"
secret = "env:SLUICE_TEST_HOOK"
[worker]
starts_in_flight = {starts_in_flight}
[log]
level = "info"
{more}
"#
        )
    }
}

/// By path in the folder of templates.
pub const TEMPLATES: [(&str, &str); 2] = [("bump/1.toml", BUMP), ("branch/1.toml", BRANCH)];

pub const BUMP: &str = r#"
name = "bump"
version = 1
summary = "Raise a dependency"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
labels = ["agent"]
reviewers = "reviewers"
model = "gpt-5.4"
pull_request = true
estimate_credits = 100
prompt = "Raise {{ inputs.package | data }} in {{ repository.full_name }}."
[inputs]
required = ["package"]
[inputs.properties.package]
type = "string"
description = "the package, such as serde"
[scope]
may_change = ["**"]
must_not_change = [".github/**"]
[retry]
max_attempts = 3
base_ms = 100
max_ms = 400
on = ["infrastructure", "rate_limited"]
"#;

/// Leaves a branch and asks nobody.
const BRANCH: &str = r#"
name = "branch"
version = 1
summary = "Try something on a branch"
owner = "dana"
team = "platform"
repositories = ["acme/*"]
pull_request = false
estimate_credits = 100
prompt = "Try {{ inputs.package | data }} in {{ repository.full_name }}."
[inputs]
required = ["package"]
[inputs.properties.package]
type = "string"
description = "the package, such as serde"
[scope]
may_change = ["**"]
[retry]
max_attempts = 3
base_ms = 100
max_ms = 400
on = ["infrastructure"]
"#;
