//! `sluice doctor`: is everything there that a daemon needs? Changes nothing.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde::Serialize;

use crate::{
    agent::Forge as _,
    boot::{self, redis_check, sinks, wire},
    budget::Closure,
    clock::{Clock, SystemClock},
    config::{self, ConfigError, Loaded, Settings},
    http,
    job::{
        role::{Role, Roles},
        time::{Millis, Timestamp},
    },
    ledger::{
        Ledger, LedgerError,
        rows::{BudgetRow, WorkerRow},
    },
};

/// How a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    Warn,
    Bad,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "BAD",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub state: State,
    pub text: String,
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn new(what: &'static str, state: State, text: impl Into<String>) -> Self {
        Self { what, state, text: text.into(), advice: None }
    }
    pub(super) fn advice(mut self, advice: &str) -> Self {
        self.advice = Some(advice.to_owned());
        self
    }
}

/// Clocks may differ by this much before it is worth a word.
const CLOCK_SKEW: Millis = Millis::seconds(30);
/// A token or certificate that ends sooner than this is worth a word.
pub const EXPIRY_SOON: Millis = Millis::hours(14 * 24);

/// Looks at everything; what cannot be looked at because of an earlier finding is left out.
pub async fn examine(path: Option<&Path>, env: &BTreeMap<String, String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match config::check(path, env) {
        Ok(summary) => {
            let file = summary.file.as_deref().unwrap_or("no file, every key at its default").to_owned();
            let text = format!("{file}; {} templates, {} budgets", summary.templates.len(), summary.budgets);
            findings.push(Finding::new("config", State::Good, text));
            findings
                .extend(summary.warnings.into_iter().map(|text| Finding::new("config", State::Warn, text)));
        }
        Err(problems) => {
            let text = ConfigError(problems).to_string();
            findings.push(
                Finding::new("config", State::Bad, text)
                    .advice("correct it, then look with `sluice config check`"),
            );
        }
    }
    let Ok(loaded) = Settings::load(path, env) else { return findings };
    let (ledger, standstill) = ledger(&loaded, env).await;
    // Before everything: they explain whatever stands still.
    findings.splice(0..0, standstill);
    findings.push(ledger);
    findings.extend(endpoint(&loaded).await);
    findings.extend(redis_check::gate(&loaded, env).await);
    findings.extend(identities(&loaded, env).await);
    findings.extend(sinks::examine(&loaded, env).await);
    findings
}

/// Where the daemon would listen, and whether the identity provider can be asked.
async fn endpoint(loaded: &Loaded) -> Vec<Finding> {
    let http = &loaded.settings.http;
    let files = match boot::endpoint::tls(loaded) {
        Err(problem) => {
            let finding = Finding::new("endpoint", State::Bad, problem.to_string());
            return vec![finding.advice("the daemon does not start without them")];
        }
        Ok(files) => files,
    };
    let way = match (&files, http.behind_proxy) {
        (Some(_), _) => "with TLS",
        (None, true) => "behind a proxy",
        (None, false) => "for this machine alone",
    };
    let mut findings = vec![Finding::new("endpoint", State::Good, format!("{}, {way}", http.listen))];
    let ending = files.and_then(|files| boot::endpoint::ending(&files, SystemClock.now()));
    findings.extend(ending.map(|text| {
        Finding::new("endpoint", State::Warn, text)
            .advice("put the renewed certificate and its key in place of the old ones: no restart is needed")
    }));
    if let Some(oidc) = &http.oidc {
        findings.push(match http::access::issuer_keys(oidc).await {
            Ok(0) => {
                Finding::new("oidc", State::Bad, format!("{} has no key that is used here", oidc.issuer))
                    .advice("it must sign with RS256, ES256 or EdDSA")
            }
            Ok(keys) => Finding::new("oidc", State::Good, format!("{}: {keys} keys", oidc.issuer)),
            Err(why) => Finding::new("oidc", State::Bad, why).advice(
                "see that `issuer` is written as its tokens have it, and that this machine reaches it",
            ),
        });
    }
    findings
}

/// The ledger, and what of it keeps work from going on.
async fn ledger(loaded: &Loaded, env: &BTreeMap<String, String>) -> (Finding, Vec<Finding>) {
    let url = &loaded.settings.ledger.url;
    let location = match wire::location(loaded, env) {
        Ok(location) => location,
        Err(error) => return (Finding::new("ledger", State::Bad, error.to_string()), Vec::new()),
    };
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    if url.starts_with("sqlite:") && !Path::new(path).exists() {
        let text = format!("{url}: not there yet, made at the first start");
        return (Finding::new("ledger", State::Good, text), Vec::new());
    }
    match verified(&location, loaded).await {
        Ok((text, standstill)) => (Finding::new("ledger", State::Good, format!("{url}: {text}")), standstill),
        Err(error) => {
            let advice = error.advice().map(str::to_owned);
            (Finding { advice, ..Finding::new("ledger", State::Bad, format!("{url}: {error}")) }, Vec::new())
        }
    }
}

async fn verified(
    location: &crate::ledger::Location,
    loaded: &Loaded,
) -> Result<(String, Vec<Finding>), LedgerError> {
    let ledger = Ledger::open_read_only(location, Arc::new(loaded.settings.rules.clone())).await?;
    let head = ledger.head().await?;
    let now = SystemClock.now();
    if head.at > now.plus(CLOCK_SKEW) {
        return Err(LedgerError::ClockBehind { now, last: head.at });
    }
    let broken = ledger.broken_invariants().await?;
    let budgets = ledger.budgets().await?;
    let workers = ledger.workers_at_work().await?;
    ledger.close().await;
    if let Some(first) = broken.first() {
        let text = format!("{} broken invariants, the first: {first}", broken.len());
        return Err(LedgerError::Corrupt(text.into()));
    }
    let kill_switch = budgets.iter().find(|row| row.id.is_kill_switch()).and_then(BudgetRow::closure);
    let standstill = kill_switch.map(thrown).into_iter().chain(unserved(&workers, now)).collect();
    Ok((format!("{} entries, history whole, every invariant holds", head.seq), standstill))
}

fn thrown(closure: Closure) -> Finding {
    let Closure { since, actor, reason, .. } = closure;
    Finding::new("kill-switch", State::Warn, format!("on since {since}, thrown by {actor}: {reason}"))
        .advice("nothing is started or written at the provider until `sluice kill-switch off --reason ...`")
}

/// Roles that nobody has. Where nobody is at work at all, none is missed.
fn unserved(workers: &[WorkerRow], now: Timestamp) -> Option<Finding> {
    let living: Vec<&WorkerRow> = workers.iter().filter(|worker| worker.lives(now)).collect();
    let missing: Roles =
        Role::ALL.into_iter().filter(|role| !living.iter().any(|worker| worker.roles.has(*role))).collect();
    (!living.is_empty() && !missing.is_empty()).then(|| {
        let roles = if missing.iter().count() == 1 { "role" } else { "roles" };
        Finding::new("workers", State::Warn, format!("no living worker has the {roles} {missing}"))
            .advice("start one that has it (`sluice work --role ...`, docs/workers.md): what only it does is not done")
    })
}

async fn identities(loaded: &Loaded, env: &BTreeMap<String, String>) -> Vec<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let github = match wire::github(loaded, env, Arc::clone(&clock)) {
        Ok(github) => github,
        Err(error) => return vec![Finding::new("identity", State::Bad, format!("{error:#}"))],
    };
    let mut findings = Vec::new();
    for identity in &loaded.settings.identities {
        let name = &identity.name;
        match github.probe(name).await {
            Err(error) => findings.push(
                Finding::new("identity", State::Bad, format!("{name}: {error}"))
                    .advice("renew the token; it needs Agent tasks read and write, contents read, pull requests read and write"),
            ),
            Ok(probe) => {
                let now = clock.now();
                let left = probe.requests_left.map(|left| format!(", {left} requests left")).unwrap_or_default();
                let expiry = probe.expires_at.map_or_else(|| "no expiry told".to_owned(), |at| format!("expires {at}"));
                let soon = probe.expires_at.is_some_and(|at| at < now.plus(EXPIRY_SOON));
                let state = if soon { State::Warn } else { State::Good };
                let finding = Finding::new("identity", state, format!("{name}: is {}, {expiry}{left}", probe.login));
                findings.push(if soon { finding.advice("renew the token before it expires: an expired token stops every start") } else { finding });
                if let Some(remote) = probe.remote_now {
                    let skew = remote.since(now).max(now.since(remote));
                    let (state, advice) = if skew > CLOCK_SKEW { (State::Warn, Some("set this machine's clock".to_owned())) } else { (State::Good, None) };
                    findings.push(Finding { what: "clock", state, text: format!("{skew} apart from the provider's"), advice });
                }
            }
        }
    }
    findings
}
