//! `sluice config check`: everything that can be known without starting. Reads every secret to see that it is
//! there, and keeps none.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use crate::{
    config::{
        ConfigError, Loaded, SecretRef, Settings, hooks::weak, load_catalog, load_doors, load_freezes,
        load_repositories, notices::Receiver, secret::exposed,
    },
    policy::{
        Catalog, RepositoryRules,
        problem::{Code, Problem},
    },
};

/// What a good configuration amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// None: no file, everything at its default.
    pub file: Option<String>,
    /// `name@version`.
    pub templates: Vec<String>,
    pub repositories: Vec<String>,
    /// The first one listed is not always the one in use: see `identity`.
    pub identities: Vec<String>,
    pub identity: String,
    /// Rules of repositories.
    pub repository_rules: usize,
    pub budgets: usize,
    pub pools: Vec<String>,
    /// Names of the freezes of the file.
    pub freezes: Vec<String>,
    pub schedules: Vec<String>,
    /// Names of the webhooks that are let in.
    pub hooks: Vec<String>,
    /// Names of the receivers of notices, beside the log that is always there.
    pub receivers: Vec<String>,
    /// Rules that say which of them hears of what.
    pub notice_routes: usize,
    pub warnings: Vec<String>,
}

/// Reads and checks everything; all problems are told at once, as far as they can be found.
pub fn check(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Summary, Vec<Problem>> {
    let loaded = Settings::load(path, env).map_err(|ConfigError(problems)| problems)?;
    let mut problems = Vec::new();
    let mut warnings = loaded.warnings.clone();
    for secret in secrets(&loaded.settings) {
        match secret.resolve(env, &loaded.folder) {
            Ok(resolved) => warnings.extend(resolved.warning),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        problems.extend(load_doors(&loaded, env).err().into_iter().flat_map(|ConfigError(found)| found));
        warnings.extend(weak(&loaded, env));
    }
    let http = &loaded.settings.http;
    warnings.extend(http.tls_key.as_ref().and_then(|key| exposed(&loaded.folder.join(key))));
    if http.behind_proxy && http.tls_certificate.is_none() && !http.listen.ip().is_loopback() {
        let text = format!(
            "[http] behind_proxy: {} takes connections without TLS: see that only the proxy reaches it",
            http.listen
        );
        warnings.push(text);
    }
    let identity = loaded.settings.identity().map(|identity| identity.name.clone()).unwrap_or_default();
    if identity.is_empty() {
        problems.push(no_identity(&loaded));
    }
    let rules = load_repositories(&loaded).unwrap_or_else(|ConfigError(found)| {
        problems.extend(found);
        RepositoryRules::default()
    });
    let catalog = load_catalog(&loaded);
    let names: Vec<&str> =
        catalog.iter().flat_map(Catalog::iter).map(|template| template.name.as_str()).collect();
    let freezes = load_freezes(&loaded, &names).unwrap_or_else(|ConfigError(found)| {
        problems.extend(found);
        Vec::new()
    });
    match &catalog {
        Ok(catalog) if problems.is_empty() => {
            let templates: Vec<String> =
                catalog.iter().map(|template| format!("{}@{}", template.name, template.version)).collect();
            if templates.is_empty() {
                warnings.push("there are no templates: nothing can be submitted".to_owned());
            }
            let settings = &loaded.settings;
            Ok(Summary {
                file: loaded.file.as_ref().map(|file| file.display().to_string()),
                templates,
                repositories: settings.policy.repositories.clone(),
                identities: settings.identities.iter().map(|identity| identity.name.clone()).collect(),
                identity,
                repository_rules: rules.iter().count(),
                budgets: settings.rules.budgets.len(),
                pools: settings.rules.pools.keys().cloned().collect(),
                schedules: settings.schedules.iter().map(|schedule| schedule.name.clone()).collect(),
                hooks: settings.hooks.iter().map(|hook| hook.name.clone()).collect(),
                receivers: settings.notices.sinks.iter().map(|sink| sink.name.clone()).collect(),
                notice_routes: settings.notices.written_routes.len(),
                freezes: freezes.into_iter().map(|freeze| freeze.name).collect(),
                warnings,
            })
        }
        Ok(_) => Err(problems),
        Err(ConfigError(found)) => {
            problems.extend(found.iter().cloned());
            Err(problems)
        }
    }
}

/// Work cannot be done without a credential.
pub fn no_identity(loaded: &Loaded) -> Problem {
    let file =
        loaded.file.as_ref().map_or_else(|| "configuration".to_owned(), |file| file.display().to_string());
    Problem::new(Code::UnknownIdentity, "no identity is configured")
        .at(file)
        .hint("add [[identity]] with `name = \"main\"` and `token = \"env:GITHUB_TOKEN\"`")
}

fn secrets(settings: &Settings) -> Vec<&SecretRef> {
    let identities = settings.identities.iter().map(|identity| &identity.token);
    let sinks = settings.notices.sinks.iter().flat_map(Receiver::secrets);
    let stores = [&settings.ledger.password, &settings.gate.password, &settings.streams.password];
    let audit = settings.audit.key.iter();
    let hooks = settings.written_hooks.iter().flat_map(|hook| &hook.secrets);
    stores.into_iter().flatten().chain(identities).chain(sinks).chain(audit).chain(hooks).collect()
}
