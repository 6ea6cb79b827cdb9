//! Reads the rules of repositories and checks them against the rest of the configuration.

use crate::{
    config::{ConfigError, Loaded, read_text},
    policy::{
        RepositoryRules, hint,
        problem::{Code, Problem},
    },
};

/// The rules that `[policy] repositories_file` names; none without it.
pub fn load_repositories(loaded: &Loaded) -> Result<RepositoryRules, ConfigError> {
    let Some(file) = &loaded.settings.policy.repositories_file else { return Ok(RepositoryRules::default()) };
    let path = loaded.folder.join(file);
    let text = read_text(&path)?;
    let rules = RepositoryRules::parse(&path.display().to_string(), &text).map_err(ConfigError)?;
    let pools = &loaded.settings.rules.pools;
    let known: Vec<&str> = pools.keys().map(String::as_str).collect();
    let unknown = rules.iter().filter_map(|rule| {
        let pool = rule.owners_pool.as_ref().filter(|pool| !pools.contains_key(*pool))?;
        let what = format!("the pool `{pool}` of its owners is not configured");
        Some(Problem::new(Code::UnknownPool, what).at(&rule.at).hint(hint::did_you_mean(pool, &known)))
    });
    let problems: Vec<Problem> = unknown.collect();
    if problems.is_empty() { Ok(rules) } else { Err(ConfigError(problems)) }
}
