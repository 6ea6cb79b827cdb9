//! The sections of the configuration file: every key with its unit, range and default. Adding a key here adds its
//! environment variable as well.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de};

use crate::{
    budget::{Kind, Rules, Scope},
    config::{
        audit::Audit,
        desk::Desk,
        endpoint::Http,
        notices::Notices,
        secret::SecretRef,
        watching::{Metrics, Otlp},
    },
    job::{cadence::CadenceRule, role::Role},
    policy::{
        IdentityRule, Models,
        approval::Person,
        breaker,
        credits::Decimal,
        hook::{self, Hook},
        repositories::Class,
        schedule::{self, Schedule},
        template::Risk,
    },
};

/// Everything that can be set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub ledger: Ledger,
    pub gate: Gate,
    pub streams: Streams,
    pub http: Http,
    pub metrics: Metrics,
    pub otlp: Otlp,
    pub github: Github,
    /// Named credentials.
    #[serde(rename = "identity")]
    pub identities: Vec<Identity>,
    pub policy: Policy,
    /// As written; `rules` is what they mean.
    #[serde(rename = "budget")]
    pub budgets: Vec<Budget>,
    #[serde(rename = "pool")]
    pub pools: Vec<Pool>,
    /// Who may give approvals; left out: everybody who may use the endpoint.
    #[serde(rename = "person")]
    pub people: Vec<Person>,
    /// Budgets and pools, checked.
    #[serde(skip)]
    pub rules: Rules,
    pub retries: Retries,
    /// Left out: failures are not counted.
    pub breaker: Option<breaker::Rule>,
    /// As written; `models` is what they mean.
    #[serde(rename = "route")]
    pub routes: Vec<Route>,
    #[serde(rename = "model")]
    pub known_models: Vec<KnownModel>,
    /// Routes and known models, checked, with the default and the list of `[policy]`.
    #[serde(skip)]
    pub models: Models,
    /// As written; `schedules` is what they mean.
    #[serde(rename = "schedule")]
    pub written_schedules: Vec<schedule::Written>,
    #[serde(skip)]
    pub schedules: Vec<Schedule>,
    /// As written; `hooks` is what they mean.
    #[serde(rename = "hook")]
    pub written_hooks: Vec<hook::Written<SecretRef>>,
    #[serde(skip)]
    pub hooks: Vec<Hook>,
    /// What becomes of what comes in by the hooks.
    #[serde(rename = "hooks")]
    pub deliveries: crate::config::hooks::Deliveries,
    /// How often remote tasks are looked at; milliseconds.
    pub tracking: CadenceRule,
    pub recovery: Recovery,
    pub notices: Notices,
    pub audit: Audit,
    pub desk: Desk,
    pub worker: Worker,
    pub log: Log,
}

impl Settings {
    /// The credential that work is done with: the one that `[policy]` names, or the first.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.policy.identity {
            Some(name) => self.identities.iter().find(|identity| identity.name == *name),
            None => self.identities.first(),
        }
    }
}

/// Where everything is recorded.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.
    pub url: String,
    /// Of the PostgreSQL user.
    pub password: Option<SecretRef>,
    pub synchronous: Synchronous,
}

/// What an acknowledged write survives; SQLite only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Synchronous {
    /// A power cut.
    #[default]
    Full,
    /// A crash of the process, but not every power cut.
    Normal,
}

/// What orders waiting jobs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gate {
    /// `memory`, or `redis://HOST:PORT/DATABASE` (`rediss://` with TLS) for several processes on one ledger.
    pub url: String,
    /// Of the Redis user.
    pub password: Option<SecretRef>,
    /// Names the fleet of workers: several fleets may share one Redis, each with a ledger of its own.
    pub fleet: String,
}

/// Redis streams for producers and consumers. They are on when an address is known.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Streams {
    /// `redis://HOST:PORT/DATABASE` or `rediss://...`; left out: the gate's, if the gate is on Redis.
    pub url: Option<String>,
    /// Of the Redis user; left out: the gate's, if the address is the gate's.
    pub password: Option<SecretRef>,
    /// Begins the streams' names, as in `sluice:requests`. One ledger per prefix and Redis.
    pub prefix: String,
    /// Take requests from the stream.
    pub intake: bool,
    /// Write events, dead letters and notices.
    pub publish: bool,
    /// Requests that are read and written together; 1 to 5,000.
    #[serde(deserialize_with = "within::<_, usize, 1, 5_000>")]
    pub batch_max: usize,
    /// Of one request, in bytes; 1,024 to 67,108,864.
    #[serde(deserialize_with = "within::<_, usize, 1_024, 67_108_864>")]
    pub request_bytes_max: usize,
    /// A request that a silent worker has read is taken over after this time; 100 to 3,600,000.
    #[serde(deserialize_with = "within::<_, u64, 100, 3_600_000>")]
    pub claim_after_ms: u64,
    /// A request that was read so often and never settled is rejected; 1 to 100.
    #[serde(deserialize_with = "within::<_, u64, 1, 100>")]
    pub deliveries_max: u64,
    /// Events kept, about; 1,000 to 10,000,000.
    #[serde(deserialize_with = "within::<_, i64, 1_000, 10_000_000>")]
    pub events_max: i64,
    /// Rejected requests kept, about; 100 to 1,000,000.
    #[serde(deserialize_with = "within::<_, usize, 100, 1_000_000>")]
    pub rejected_max: usize,
}

/// How GitHub is reached, and how hard it is leaned on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Github {
    pub base_url: String,
    /// Allows `http://` to another machine, where the token travels without encryption: for a stand-in on a private network.
    pub plain_http: bool,
    /// 100 to 120,000.
    #[serde(deserialize_with = "within::<_, u64, 100, 120_000>")]
    pub request_timeout_ms: u64,
    /// Requests per hour that only starts may use; 0 to 5,000.
    #[serde(deserialize_with = "within::<_, u32, 0, 5_000>")]
    pub requests_per_hour_reserve_for_starts: u32,
    /// Between two writes of one identity; 0 to 60,000. GitHub asks for 1,000 or more.
    #[serde(deserialize_with = "within::<_, u64, 0, 60_000>")]
    pub min_write_gap_ms: u64,
    /// Ask whether something changed instead of asking for it again.
    pub use_etags: bool,
}

/// A named credential.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub name: String,
    pub token: SecretRef,
    /// Globs of the repositories that it may work in; left out: every one that `[policy]` allows.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Globs of the names of the templates that it may work with; left out: every one.
    #[serde(default)]
    pub templates: Vec<String>,
    /// What it is there for.
    pub purpose: Option<String>,
    /// Whom to ask about it.
    pub owner: Option<String>,
    /// Login of the person whose token it is: never chosen to review.
    pub login: Option<String>,
}

impl Identity {
    /// Without the token.
    pub fn rule(&self) -> IdentityRule {
        IdentityRule {
            name: self.name.clone(),
            repositories: self.repositories.iter().map(|glob| glob.to_ascii_lowercase()).collect(),
            templates: self.templates.clone(),
            purpose: self.purpose.clone(),
            owner: self.owner.clone(),
            login: self.login.clone(),
        }
    }
}

/// What may run where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Folder of `<name>/<version>.toml`, from the folder of the configuration file.
    pub templates: PathBuf,
    /// File of `[[freeze]]`, from the folder of the configuration file; left out: no freezes but those that people add.
    pub freezes_file: Option<PathBuf>,
    /// Globs of the repositories that may be touched; an empty list allows none.
    pub repositories: Vec<String>,
    /// Name of the credential to work with; left out: the first.
    pub identity: Option<String>,
    /// For templates that name no model; left out: the provider chooses.
    pub default_model: Option<String>,
    /// Globs of the models that may be used; an empty list allows every model.
    pub models: Vec<String>,
    /// Rules of repositories, from the folder of the configuration file; left out: there are none.
    pub repositories_file: Option<PathBuf>,
    /// How long is believed what was found out of a repository; 0 to 86,400.
    #[serde(deserialize_with = "within::<_, u64, 0, 86_400>")]
    pub facts_max_age_seconds: u64,
    /// How long an approval counts; 1 to 8,760.
    #[serde(deserialize_with = "within::<_, u64, 1, 8_760>")]
    pub approval_hours: u64,
}

/// Which model works on jobs of some kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Glob of templates; left out: all of them.
    pub template: Option<String>,
    /// Of the template: `low`, `medium` or `high`; left out: all of them.
    pub risk: Option<Risk>,
    /// Of the repository: `standard`, `sensitive` or `regulated`; left out: all of them.
    pub class: Option<Class>,
    pub model: String,
}

/// A model that the operator knows of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// A glob.
    pub name: String,
    /// Classes of repositories in which it is not used; `*` for every repository.
    #[serde(default)]
    pub blocked_for: Vec<String>,
}

/// One budget rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub name: String,
    pub kind: Kind,
    pub per: Scope,
    /// Glob of the values that it covers; left out: all of them. The most specific rule of a name wins.
    #[serde(rename = "match")]
    pub matching: Option<String>,
    /// Whole, except `spend`: credits, such as 250 or "12.5".
    pub limit: Decimal,
    /// `90s`, `15m`, `1h`, `7d` (rolling), `day`, `month` (UTC) or `lifetime`; for `window` and `spend`.
    pub period: Option<String>,
}

/// How often failed attempts are tried again, all jobs together; each job has its template's own rule besides.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Left out: without limit.
    pub per_request: Option<u32>,
    /// Of one template, all versions, in a UTC day; left out: without limit.
    pub per_template_day: Option<u32>,
}

/// Named people of whom one is asked to review.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub name: String,
    #[serde(rename = "member", default)]
    pub members: Vec<Member>,
}

/// One person in a pool.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub login: String,
    /// Reviews that the person has open at once; 0 to 1,000.
    #[serde(default = "two", deserialize_with = "within::<_, u32, 0, 1_000>")]
    pub open_reviews: u32,
    /// Days of absence in UTC, the last one included: `2026-12-24/2027-01-02` or one day.
    #[serde(default)]
    pub away: Vec<String>,
}

const fn two() -> u32 {
    2
}

/// What happens after a crash or an unclear answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recovery {
    /// How long a lost start is looked for before it counts as never made; 1 to 3,600. It must be
    /// longer than the provider's lists lag, or a task could be missed and started again.
    #[serde(deserialize_with = "within::<_, u64, 1, 3_600>")]
    pub look_up_window_seconds: u64,
    /// A start that was not sent within this time of its intent is not sent; 1 to 600.
    #[serde(deserialize_with = "within::<_, u64, 1, 600>")]
    pub start_within_seconds: u64,
    /// After this silence a worker counts as gone, and others take over what it did; renewed three times as often; 3 to 3,600.
    #[serde(deserialize_with = "within::<_, u64, 3, 3_600>")]
    pub lease_seconds: u64,
    /// How often it is looked for workers that are gone, and for leftovers; 1 to 600.
    #[serde(deserialize_with = "within::<_, u64, 1, 600>")]
    pub sweep_seconds: u64,
    /// How long a completed task may take to show what it left; 1 to 3,600.
    #[serde(deserialize_with = "within::<_, u64, 1, 3_600>")]
    pub result_within_seconds: u64,
}

/// How much one process does at once.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Worker {
    /// For people, instead of the host's name; the process id is added to it.
    pub name: Option<String>,
    /// What this process does of the way of a job: `admit`, `start`, `track`, `review`, `notify`; left out: everything.
    pub roles: Vec<Role>,
    /// Starts on their way at once; 1 to 512.
    #[serde(deserialize_with = "within::<_, usize, 1, 512>")]
    pub starts_in_flight: usize,
    /// Jobs that one question to the gate proposes; 1 to 512.
    #[serde(deserialize_with = "within::<_, usize, 1, 512>")]
    pub admit_batch: usize,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, or per module: `warn,sluicegate=debug`.
    pub level: String,
}

/// The look of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { url: "sqlite:.sluice/ledger.db".to_owned(), password: None, synchronous: Synchronous::Full }
    }
}
impl Default for Gate {
    fn default() -> Self {
        Self { url: "memory".to_owned(), password: None, fleet: "main".to_owned() }
    }
}
impl Default for Streams {
    fn default() -> Self {
        Self {
            url: None,
            password: None,
            prefix: "sluice".to_owned(),
            intake: true,
            publish: true,
            batch_max: 500,
            request_bytes_max: 1_048_576,
            claim_after_ms: 60_000,
            deliveries_max: 5,
            events_max: 100_000,
            rejected_max: 10_000,
        }
    }
}
impl Default for Github {
    fn default() -> Self {
        Self {
            base_url: "https://api.github.com".to_owned(),
            plain_http: false,
            request_timeout_ms: 12_000,
            requests_per_hour_reserve_for_starts: 500,
            min_write_gap_ms: 1_000,
            use_etags: true,
        }
    }
}
impl Default for Policy {
    fn default() -> Self {
        Self {
            templates: PathBuf::from("templates"),
            freezes_file: None,
            repositories: Vec::new(),
            identity: None,
            default_model: None,
            models: Vec::new(),
            repositories_file: None,
            facts_max_age_seconds: 900,
            approval_hours: 72,
        }
    }
}
impl Default for Recovery {
    fn default() -> Self {
        Self {
            look_up_window_seconds: 180,
            start_within_seconds: 60,
            lease_seconds: 20,
            sweep_seconds: 10,
            result_within_seconds: 120,
        }
    }
}
impl Default for Worker {
    fn default() -> Self {
        Self { name: None, roles: Role::ALL.to_vec(), starts_in_flight: 16, admit_batch: 16 }
    }
}
impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// A whole number in a range; the error names the range.
pub(super) fn within<'de, D, N, const MIN: i64, const MAX: i64>(from: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let number = i64::deserialize(from)?;
    let fits = (MIN..=MAX).contains(&number);
    let converted = N::try_from(number).ok().filter(|_| fits);
    converted.ok_or_else(|| de::Error::custom(format!("{number} is out of range: write {MIN} to {MAX}")))
}
