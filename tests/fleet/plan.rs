//! What one fleet differs in from another, and the files that its programs read. Times are short that are long in earnest.

use std::{fmt::Write as _, path::PathBuf};

use crate::stage::{BOT_TOKEN, settings::BUMP};

/// Where the ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// A database of the test program's one server.
    Postgres,
    /// A server of its own, which can be stopped.
    OwnPostgres,
    /// One file that all processes share.
    Sqlite,
}

/// The ledger of one fleet.
#[derive(Clone, Debug)]
pub enum Database {
    /// By its name.
    Postgres(String),
    Sqlite(PathBuf),
}

impl Database {
    /// Its address, with PostgreSQL on this port.
    pub fn url(&self, port: u16) -> String {
        match self {
            Self::Postgres(name) => format!("postgres://postgres@127.0.0.1:{port}/{name}"),
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
        }
    }
}

/// What the agent and the people do in one repository. The name of the repository begins with its story's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Story {
    /// Completed, merged.
    Plain,
    /// The agent asks something and is answered.
    Asks,
    /// The task was made, and the answer to its start says that something broke.
    Lost,
    /// The first task fails for a reason that goes away.
    Again,
    /// The task cannot be done.
    Fails,
    /// The reviewer says no.
    Closed,
}

impl Story {
    /// In this order, again and again.
    pub const ALL: [Self; 10] = [
        Self::Plain,
        Self::Plain,
        Self::Asks,
        Self::Plain,
        Self::Lost,
        Self::Plain,
        Self::Again,
        Self::Fails,
        Self::Plain,
        Self::Closed,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Asks => "asks",
            Self::Lost => "lost",
            Self::Again => "again",
            Self::Fails => "fails",
            Self::Closed => "closed",
        }
    }

    /// The story that a repository's name, without its owner, begins with.
    pub fn of(repository: &str) -> Self {
        let found = Self::ALL.into_iter().find(|story| repository.starts_with(story.name()));
        found.unwrap_or_else(|| panic!("{repository} has no story"))
    }

    /// Tasks that a job of it takes, whatever fails around it.
    pub const fn tasks(self) -> usize {
        if matches!(self, Self::Again) { 2 } else { 1 }
    }

    /// The state that a job of it ends in.
    pub const fn end(self) -> &'static str {
        match self {
            Self::Plain | Self::Asks | Self::Lost | Self::Again => "succeeded",
            Self::Fails => "dead",
            Self::Closed => "rejected",
        }
    }
}

/// Everything that makes one fleet different from another.
#[derive(Clone, Debug)]
pub struct Plan {
    pub store: Store,
    /// False: every daemon has a gate of its own in memory.
    pub redis: bool,
    /// The roles of the daemon, with commas between; none: all of them.
    pub daemon: &'static str,
    /// The roles of each further process; none: all of them.
    pub workers: Vec<&'static str>,
    /// Tasks at once.
    pub slots: u32,
    /// How long each task works, in milliseconds.
    pub run_ms: u32,
    /// How long the provider takes to answer a start, in milliseconds.
    pub create_ms: u32,
    /// After this silence others take over.
    pub lease_seconds: u32,
    /// So many schedules, each of which comes once a year.
    pub schedules: usize,
    /// Issues at GitHub become requests.
    pub hooks: bool,
    /// Of a hundred commits, so many are reported as failed although they stand.
    pub lost_answers: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            store: Store::Postgres,
            redis: true,
            daemon: "",
            workers: vec!["", ""],
            slots: 6,
            run_ms: 150,
            create_ms: 30,
            lease_seconds: 3,
            schedules: 0,
            hooks: false,
            lost_answers: 0,
        }
    }
}

/// The addresses of one process.
pub struct Places {
    pub name: String,
    pub ledger: String,
    pub redis: Option<u16>,
    pub github: u16,
}

impl Plan {
    /// The configuration of one process.
    pub fn configuration(&self, places: &Places) -> String {
        let Places { name, ledger, redis, github } = places;
        let gate = redis.map_or_else(|| "memory".to_owned(), |port| format!("redis://127.0.0.1:{port}/"));
        let Self { slots, lease_seconds, .. } = self;
        // The receiver of notices is behind the same link as the provider.
        format!(
            r#"
[ledger]
url = "{ledger}"
[gate]
url = "{gate}"
fleet = "{FLEET}"
[http]
listen = "127.0.0.1:0"
token_file = "{name}.token"
[github]
base_url = "http://127.0.0.1:{github}"
request_timeout_ms = 3000
requests_per_hour_reserve_for_starts = 0
min_write_gap_ms = 0
[notices.webhook]
allow_private = ["127.0.0.0/8"]
url = "http://127.0.0.1:{github}/_control/webhooks/sink"
secret = "env:SLUICE_TEST_HOOK"
[[budget]]
name = "slots"
kind = "slots"
per = "global"
limit = {slots}
[recovery]
look_up_window_seconds = 2
start_within_seconds = 2
lease_seconds = {lease_seconds}
sweep_seconds = 1
result_within_seconds = 5
{FIXED}
{}{}"#,
            self.schedules(),
            if self.hooks { HOOK } else { "" }
        )
    }

    fn schedules(&self) -> String {
        let schedule = |number| {
            format!(
                r#"
[[schedule]]
name = "yearly-{number}"
cron = "{YEARLY}"
owner = "carla"
request = {{ template = "bump", repositories = ["acme/plain-y{number}"], inputs = {{ package = "serde" }} }}
"#
            )
        };
        (0..self.schedules).map(schedule).collect()
    }

    /// The simulator's scenario.
    pub fn scenario(&self) -> String {
        let mut text = SCENARIO
            .replace("RUN_MS", &self.run_ms.to_string())
            .replace("CREATE_MS", &self.create_ms.to_string())
            .replace("SECRET", BOT_TOKEN);
        for (story, keys) in [
            (Story::Asks, "outcome = \"waiting_for_user\"\nwaits_after_ms = 60\nanswer_after_ms = 400"),
            (
                Story::Fails,
                "outcome = \"failed\"\nleaves = \"nothing\"\nmessage = \"tests failed: 3 of 214\"",
            ),
            (Story::Closed, "review = \"closed\""),
            (
                Story::Again,
                "attempt = 1\noutcome = \"failed\"\nleaves = \"nothing\"\n\
                 message = \"The agent encountered an internal error, please retry\"",
            ),
        ] {
            writeln!(text, "[[stories]]\nmatch = \"acme/{}-*\"\n{keys}", story.name()).unwrap();
        }
        text
    }
}

/// The time of every schedule.
pub const YEARLY: &str = "0 0 1 1 *";

const HOOK: &str = r#"
[[hook]]
name = "github"
kind = "github"
secrets = ["env:SLUICE_TEST_HOOK"]
[[hook.on]]
event = "issues"
template = "bump"
repositories = "repository.full_name"
inputs = { package = "'serde'" }
requester = "sender.login"
request_key = "issue.node_id"
"#;

/// Names the keys in Redis.
pub const FLEET: &str = "trial";

/// The template of every request: it may be tried often, since the faults must not use up its attempts.
pub fn template() -> String {
    BUMP.trim_start().replace("max_attempts = 3", "max_attempts = 10")
}

const FIXED: &str = r#"
[[identity]]
name = "bot"
token = "file:bot-token"
[policy]
repositories = ["acme/*"]
[[budget]]
name = "slots"
kind = "slots"
per = "repository"
limit = 1
[[budget]]
name = "unproven"
kind = "change"
per = "request"
limit = 40
[[budget]]
name = "starts"
kind = "window"
per = "global"
limit = 100000
period = "1h"
[[budget]]
name = "credits"
kind = "spend"
per = "global"
limit = 1000000
period = "month"
[[pool]]
name = "reviewers"
[[pool.member]]
login = "ana"
open_reviews = 12
[[pool.member]]
login = "ben"
open_reviews = 12
[tracking]
running_ms = 100
waiting_ms = 100
review_ms = 100
idle_grace_ms = 300
full_sweep_ms = 1000
overlap_ms = 1000
[notices]
base_ms = 100
[streams]
claim_after_ms = 1000
[log]
level = "info"
"#;

const SCENARIO: &str = r#"
[defaults]
queued_ms = 20
session_delay_ms = 10
artifact_delay_ms = 20
run_ms = RUN_MS
list_lag_ms = 40
files = ["Cargo.toml"]
checks = [{ name = "ci", queued_ms = 5, run_ms = 10 }]
review = "merged"
review_starts = "requested"
review_after_ms = 60
[[repositories]]
match = "acme/*"
collaborators = ["ana", "ben", "octo-operator"]
[[users]]
login = "octo-operator"
id = 1001
[[tokens]]
name = "operator"
secret = "SECRET"
user = "octo-operator"
[[faults]]
when = "after"
status = 502
[faults.match]
method = "POST"
route = "/agents/repos/{owner}/{repo}/tasks"
repository = "acme/lost-*"
[[faults]]
latency_ms = CREATE_MS
[faults.match]
method = "POST"
route = "/agents/repos/{owner}/{repo}/tasks"
"#;
