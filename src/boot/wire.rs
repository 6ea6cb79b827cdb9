//! From settings to parts: every value of the configuration ends up here in the one place that uses it.

use std::{collections::BTreeMap, sync::Arc};

use secrecy::ExposeSecret as _;

use crate::{
    agent::github::{GitHub, GitHubOptions, Identity, Reread},
    boot::{Parts, sinks::sinks},
    budget::Rules,
    clock::{self, Clock, Entropy},
    config::{
        ConfigError, Loaded, SecretRef, load_catalog, load_doors, load_freezes, load_repositories,
        sections::Synchronous,
    },
    gate::{Gate, memory::MemoryGate, redis::RedisGate},
    job::time::Millis,
    ledger::{
        Location,
        signing::{Signer, is_public_key},
        verify::Trust,
    },
    news::{News, RedisNews, Silence},
    pipeline::{Policy, Tuning, audit::Audit, hooks::Hooks},
    policy::{
        approval::People,
        problem::{Code, Problem},
    },
    redis_link::{RedisLink, RedisLocation},
    telemetry::traces::{Collector, Exporter},
};

/// How long shutdown waits for what is in flight; a start may take the client's whole time-out.
const DRAIN: Millis = Millis::seconds(25);

type Env = BTreeMap<String, String>;

/// Reads a secret; one that others can read too is warned of.
pub(super) fn secret(
    reference: &SecretRef,
    env: &Env,
    loaded: &Loaded,
) -> Result<secrecy::SecretString, ConfigError> {
    let resolved = reference.resolve(env, &loaded.folder)?;
    if let Some(warning) = resolved.warning {
        tracing::warn!(warning, "a secret is readable by others");
    }
    Ok(resolved.secret)
}

/// Where the ledger is, with its password.
pub fn location(loaded: &Loaded, env: &Env) -> Result<Location, ConfigError> {
    let ledger = &loaded.settings.ledger;
    let password = ledger.password.as_ref().map(|reference| secret(reference, env, loaded)).transpose()?;
    let full_durability = ledger.synchronous == Synchronous::Full;
    Ok(Location { url: ledger.url.clone(), password, full_durability })
}

/// The client for every configured identity.
pub fn github(loaded: &Loaded, env: &Env, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<GitHub>> {
    let settings = &loaded.settings.github;
    let mut identities = Vec::new();
    for identity in &loaded.settings.identities {
        identities
            .push(Identity { name: identity.name.clone(), token: secret(&identity.token, env, loaded)? });
    }
    let options = GitHubOptions {
        base_url: settings.base_url.clone(),
        identities,
        reread: Some(reread(loaded, env)),
        request_timeout_ms: settings.request_timeout_ms,
        requests_per_hour_reserve_for_starts: settings.requests_per_hour_reserve_for_starts,
        min_write_gap_ms: settings.min_write_gap_ms,
        use_etags: settings.use_etags,
    };
    Ok(Arc::new(GitHub::new(options, clock)?))
}

/// Reads tokens where the configuration says that they are. A variable never changes in a process; a file may.
fn reread(loaded: &Loaded, env: &Env) -> Reread {
    let places: BTreeMap<String, SecretRef> = loaded
        .settings
        .identities
        .iter()
        .map(|identity| (identity.name.clone(), identity.token.clone()))
        .collect();
    let (env, folder) = (env.clone(), loaded.folder.clone());
    Reread(Arc::new(move |name| Some(places.get(name)?.resolve(&env, &folder).ok()?.secret)))
}

/// What signs, and which keys are trusted.
pub fn audit(loaded: &Loaded, env: &Env) -> Result<Audit, ConfigError> {
    let settings = &loaded.settings.audit;
    let refused = |what: String, at: String, hint: &str| {
        ConfigError::from(Problem::new(Code::BadSecret, what).at(at).hint(hint))
    };
    let signer = settings.key.as_ref().map(|reference| {
        let hint = "make one with `sluice audit key new --out FILE`";
        let key = Signer::parse(secret(reference, env, loaded)?.expose_secret());
        key.map(Arc::new)
            .map_err(|_| refused("this is no signing key".to_owned(), reference.to_string(), hint))
    });
    let signer = signer.transpose()?;
    if let Some(bad) = settings.trusted_keys.iter().find(|key| !is_public_key(key)) {
        let hint = "write it as `sluice audit key new` has shown it: 32 bytes in base64";
        return Err(refused(format!("`{bad}` is no public key"), "[audit] trusted_keys".to_owned(), hint));
    }
    let own = signer.iter().map(|signer| signer.public_key().to_owned());
    let trust =
        Trust { keys: own.chain(settings.trusted_keys.iter().cloned()).collect(), ..Trust::default() };
    Ok(Audit {
        signer,
        every_entries: settings.checkpoint_entries,
        every: Millis::hours(settings.checkpoint_hours),
        file: settings.checkpoint_file.clone(),
        trust,
    })
}

/// What sends traces; None: nobody wants them.
pub fn exporter(loaded: &Loaded, env: &Env) -> anyhow::Result<Option<Exporter>> {
    let otlp = &loaded.settings.otlp;
    let Some(endpoint) = otlp.endpoint.clone() else { return Ok(None) };
    let token = otlp.token.as_ref().map(|reference| secret(reference, env, loaded)).transpose()?;
    let instance = format!("{}:{}", host(loaded, env), std::process::id());
    Ok(Some(Exporter::start(Collector { endpoint, token, service: otlp.service.clone(), instance })?))
}

fn tuning(loaded: &Loaded, env: &Env) -> Result<Tuning, ConfigError> {
    let settings = &loaded.settings;
    Ok(Tuning {
        cadence: settings.tracking.clone(),
        admit_batch: settings.worker.admit_batch,
        starts_in_flight: settings.worker.starts_in_flight,
        start_within: Millis::seconds(settings.recovery.start_within_seconds),
        look_up_window: Millis::seconds(settings.recovery.look_up_window_seconds),
        lease: Millis::seconds(settings.recovery.lease_seconds),
        sweep: Millis::seconds(settings.recovery.sweep_seconds),
        result_within: Millis::seconds(settings.recovery.result_within_seconds),
        notice_tries_max: settings.notices.max_attempts,
        notice_base: Millis(settings.notices.base_ms),
        facts_max_age: Millis::seconds(settings.policy.facts_max_age_seconds),
        audit: audit(loaded, env)?,
        desk: settings.desk.rules(),
        notices: settings.notices.rules.clone(),
    })
}

/// Names this machine or container, or what the settings say instead; the names of its workers begin with it.
pub fn host(loaded: &Loaded, env: &Env) -> String {
    if let Some(name) = &loaded.settings.worker.name {
        return name.clone();
    }
    env.get("HOSTNAME").cloned().unwrap_or_else(|| "sluice".to_owned())
}

/// What stands between the processes of a fleet.
struct Between {
    gate: Arc<dyn Gate>,
    news: Arc<dyn News>,
    /// Others may work on the same ledger.
    fleet: bool,
}

fn between(loaded: &Loaded, env: &Env, rules: &Arc<Rules>, entropy: &Entropy) -> anyhow::Result<Between> {
    let settings = &loaded.settings.gate;
    let Some(link) = redis(loaded, env)? else {
        let fleet = false;
        return Ok(Between {
            gate: Arc::new(MemoryGate::new(Arc::clone(rules))),
            news: Arc::new(Silence),
            fleet,
        });
    };
    let own = format!("{:032x}", entropy.draw_wide());
    let news = Arc::new(RedisNews::new(link.clone(), &settings.fleet, &own));
    let gate = Arc::new(RedisGate::new(link, &settings.fleet, Arc::clone(rules)));
    Ok(Between { gate, news, fleet: true })
}

/// The way to the gate's Redis; None: the gate is in memory.
pub fn redis(loaded: &Loaded, env: &Env) -> anyhow::Result<Option<RedisLink>> {
    let settings = &loaded.settings.gate;
    if settings.url == "memory" {
        return Ok(None);
    }
    let password = settings.password.as_ref().map(|reference| secret(reference, env, loaded)).transpose()?;
    Ok(Some(RedisLink::new(&RedisLocation { url: settings.url.clone(), password })?))
}

/// The policy that the configuration and the files that it names amount to.
pub fn policy(loaded: &Loaded) -> Result<Policy, ConfigError> {
    let settings = &loaded.settings;
    let no_identity = || crate::config::check::no_identity(loaded);
    let identity = settings.identity().ok_or_else(no_identity)?.name.clone();
    let catalog = load_catalog(loaded)?;
    let names: Vec<&str> = catalog.iter().map(|template| template.name.as_str()).collect();
    Ok(Policy {
        schedules: settings.schedules.as_slice().into(),
        freezes: load_freezes(loaded, &names)?.into(),
        catalog,
        rules: Arc::new(settings.rules.clone()),
        allowed: settings.policy.repositories.clone(),
        identity,
        people: People(settings.people.clone()),
        breaker: settings.breaker,
        approval_counts: Millis::hours(settings.policy.approval_hours),
        identities: settings.identities.iter().map(crate::config::Identity::rule).collect(),
        models: settings.models.clone(),
        repositories: load_repositories(loaded)?,
    })
}

/// Everything a worker process is made of.
pub fn parts(loaded: &Loaded, env: &Env) -> anyhow::Result<Parts> {
    let settings = &loaded.settings;
    let policy = policy(loaded)?;
    let clock = clock::of_process(env);
    let rules = Arc::clone(&policy.rules);
    let github = github(loaded, env, Arc::clone(&clock))?;
    let pid = std::process::id();
    let name = format!("{}:{pid}", host(loaded, env));
    let entropy = Arc::new(Entropy::from_system());
    let Between { gate, news, fleet } = between(loaded, env, &rules, &entropy)?;
    Ok(Parts {
        location: location(loaded, env)?,
        fleet,
        roles: settings.worker.roles.iter().copied().collect(),
        news,
        policy,
        tuning: tuning(loaded, env)?,
        gate,
        agent: Arc::<GitHub>::clone(&github),
        forge: Arc::<GitHub>::clone(&github),
        sinks: sinks(loaded, env, &clock, &github)?,
        atlas: github,
        clock,
        entropy,
        name,
        hooks: Hooks::new(
            load_doors(loaded, env)?,
            Millis::hours(settings.deliveries.keep_days.saturating_mul(24)),
        ),
        drain: DRAIN,
        tracer: None,
    })
}
