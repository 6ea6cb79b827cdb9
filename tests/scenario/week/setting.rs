//! The installation of the story: two hundred repositories of three teams, who works and who decides, and what the agent and
//! the reviewers do. Times are those of real work; the clocks are moved by hand.

use crate::stage::{BOT_TOKEN, Settings, Stage};

/// When the story begins: Thursday, 26 March 2026, 08:00 in Berlin.
pub const BEGINS: &str = "2026-03-26T07:00:00Z";
/// Which of the names of a team are numbered how far.
pub const TEAMS: [(&str, u32); 3] = [("svc", 140), ("pay", 30), ("web", 30)];
pub const NEXT_TOKEN: &str = "ghp_PlantedNextTokenOfTheBot123456";
const PAY_TOKEN: &str = "ghp_PlantedTokenOfPayments01234567";
pub const SLOTS: u32 = 60;

/// The repositories of a team.
pub fn names(team: &str) -> Vec<String> {
    let (_, last) = TEAMS.into_iter().find(|(name, _)| *name == team).unwrap();
    (1..=last).map(|number| format!("{team}-{number:03}")).collect()
}

pub fn settings() -> Settings {
    Settings {
        slots: SLOTS,
        policy: "repositories_file = \"repositories.toml\"\nfreezes_file = \"freezes.toml\"".to_owned(),
        reviewers: vec![("ana", 60), ("ben", 60), ("cem", 60)],
        more: MORE.to_owned(),
        starts_in_flight: 8,
        ..Settings::default()
    }
}

/// Everything stands ready; the daemon is not started.
pub fn stage(settings: &Settings) -> Stage {
    let mut stage = Stage::set(&scenario(), settings);
    with_moved_clocks(&mut stage, settings);
    stage.write("pay-token", PAY_TOKEN);
    stage.write("repositories.toml", RULES);
    stage.write("freezes.toml", FREEZES);
    for (name, team, model, more) in [
        ("logging", "platform", "claude-sonnet-4.6", WAVES),
        ("contrast", "web", "gpt-5.4", ""),
        ("audit-log", "payments", "gpt-5.3-codex", "[fallback]\nprompt = \"Do it in src/lib.rs alone.\"\n"),
    ] {
        stage.write(&format!("templates/{name}/1.toml"), template(name, team, model, more));
    }
    stage
}

/// The daemon's clock is a file, which begins when the story does, and its times are those of real work.
pub fn with_moved_clocks(stage: &mut Stage, settings: &Settings) {
    let mut text = settings.text(stage.folder.path(), &stage.simulator_url);
    for (short, real) in [
        ("running_ms = 80", "running_ms = 60000"),
        ("waiting_ms = 80", "waiting_ms = 600000"),
        ("review_ms = 80", "review_ms = 600000"),
        ("idle_grace_ms = 300", "idle_grace_ms = 300000"),
        ("full_sweep_ms = 2000", "full_sweep_ms = 3600000"),
        ("overlap_ms = 1000", "overlap_ms = 120000"),
        ("look_up_window_seconds = 10", "look_up_window_seconds = 600"),
        ("start_within_seconds = 10", "start_within_seconds = 600"),
        ("lease_seconds = 3", "lease_seconds = 3600"),
        ("sweep_seconds = 1", "sweep_seconds = 60"),
        ("result_within_seconds = 3", "result_within_seconds = 3600"),
    ] {
        assert!(text.contains(short), "{short}");
        text = text.replace(short, real);
    }
    stage.write("sluice.toml", text);
    stage.write("clock", crate::week::time::ms(BEGINS).to_string());
    stage.env.push(("SLUICE_CLOCK", stage.path("clock").display().to_string()));
}

pub fn template(name: &str, team: &str, model: &str, more: &str) -> String {
    let prefix = TEAMS.iter().zip(["platform", "payments", "web"]).find(|(_, of)| *of == team).unwrap().0.0;
    format!(
        r#"name = "{name}"
version = 1
summary = "What {name} does"
owner = "dana"
team = "{team}"
repositories = ["acme/{prefix}-*"]
labels = ["agent"]
reviewers = "reviewers"
model = "{model}"
pull_request = true
estimate_credits = 100
prompt = "Do it in {{{{ repository.full_name }}}}."
[scope]
may_change = ["**"]
must_not_change = [".github/**"]
[retry]
max_attempts = 3
base_ms = 60000
max_ms = 600000
on = ["infrastructure", "rate_limited"]
{more}"#
    )
}

pub const WAVES: &str = "[waves]\nsizes = [\"2\", \"10\", \"rest\"]\nsoak_minutes = 60\napprovals = { count = 1, role = \"lead\" }\n";

/// Carla, Pia and Wanda ask; the others decide.
const MORE: &str = r#"
[[person]]
login = "ana"
[[person]]
login = "ben"
roles = ["approver", "lead"]
[[person]]
login = "carla"
roles = ["approver", "lead"]
[[person]]
login = "pia"
[[person]]
login = "wanda"
[[identity]]
name = "pay"
token = "file:pay-token"
repositories = ["acme/pay-*"]
login = "pay-operator"
owner = "dana"
[[budget]]
name = "slots"
kind = "slots"
per = "team"
match = "web"
limit = 24
[breaker]
failures = 5
window_seconds = 86400
cool_down_seconds = 18000
"#;

const RULES: &str = r#"
[[repository]]
match = "acme/*"
[[repository]]
match = "acme/pay-01*"
class = "regulated"
[[repository]]
match = "acme/web-030"
templates = ["docs-*"]
"#;

const FREEZES: &str = r#"
[[freeze]]
name = "weekends"
reason = "nobody is there"
scope = "team:payments"
zone = "Europe/Berlin"
[[freeze.entry]]
cron = "0 16 * * fri"
for = "64h"
"#;

fn scenario() -> String {
    format!(
        r#"
[server]
manual_clock_from = "{BEGINS}"
[defaults]
queued_ms = 30000
session_delay_ms = 10000
artifact_delay_ms = 60000
run_ms = [1200000, 2400000]
credits = [20, 90]
files = ["Cargo.toml", "src/lib.rs"]
checks = [{{ name = "ci", queued_ms = 10000, run_ms = 300000 }}]
review = "merged"
review_starts = "requested"
review_after_ms = [900000, 2400000]
[[repositories]]
match = "acme/*"
collaborators = ["ana", "ben", "cem", "octo-operator", "pay-operator"]
[[repositories]]
match = "acme/svc-013"
archived = true
[[repositories]]
match = "acme/svc-066"
disabled = true
[[repositories]]
match = "acme/svc-101"
push = false
[[repositories]]
match = "acme/svc-140"
agent_enabled = false
[[repositories]]
match = "acme/web-001"
archived = true
[[stories]]
match = "acme/web-005"
review = "closed"
[[stories]]
match = "acme/pay-007"
attempt = 1
outcome = "timed_out"
leaves = "nothing"
[[stories]]
match = "acme/pay-021"
outcome = "waiting_for_user"
waits_after_ms = 300000
[[stories]]
match = "acme/pay-025"
files = [".github/workflows/ci.yml"]
[[faults]]
times = 1
when = "after"
drop = true
[faults.match]
method = "POST"
route = "/agents/repos/{{owner}}/{{repo}}/tasks"
repository = "acme/pay-023"
[[users]]
login = "octo-operator"
id = 1001
[[users]]
login = "pay-operator"
id = 1002
[[tokens]]
name = "old"
secret = "{BOT_TOKEN}"
user = "octo-operator"
expires = "2026-03-27T20:00:00Z"
[[tokens]]
name = "next"
secret = "{NEXT_TOKEN}"
user = "octo-operator"
[[tokens]]
name = "pay"
secret = "{PAY_TOKEN}"
user = "pay-operator"
"#
    )
}
