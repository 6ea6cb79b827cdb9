//! What `sluice doctor` says of the gate: in this process, or in a Redis that is looked at. Changes nothing.

use std::collections::{BTreeMap, HashMap};

use crate::{
    boot::{
        doctor::{Finding, State},
        wire,
    },
    config::Loaded,
    gate::redis::EVICTION_POLICY,
    redis_link::{RedisFault, RedisLink},
};

/// The oldest Redis whose scripts behave as ours need.
const VERSION_LEAST: u32 = 7;

/// Everything that is worth a word about the gate.
pub async fn gate(loaded: &Loaded, env: &BTreeMap<String, String>) -> Vec<Finding> {
    let link = match wire::redis(loaded, env) {
        Ok(Some(link)) => link,
        Ok(None) => {
            let text = "memory: in this process, rebuilt from the ledger";
            return vec![Finding::new("gate", State::Good, text)];
        }
        Err(error) => return vec![Finding::new("gate", State::Bad, format!("{error:#}"))],
    };
    match info(&link).await {
        Ok(info) => judge(&info, link.place()),
        Err(fault) => {
            let finding = Finding::new("gate", State::Bad, format!("{}: {fault}", link.place()));
            vec![finding.advice(
                "start Redis, or correct [gate] url and password; until then requests are taken and nothing starts",
            )]
        }
    }
}

async fn info(link: &RedisLink) -> Result<HashMap<String, String>, RedisFault> {
    let mut connection = link.connection();
    let text: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(RedisFault::from)?;
    let pairs = text.lines().filter_map(|line| line.trim().split_once(':'));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn judge(info: &HashMap<String, String>, place: &str) -> Vec<Finding> {
    let of = |name: &str| info.get(name).map(String::as_str).unwrap_or_default();
    let (product, version) = match info.get("valkey_version") {
        Some(version) => ("Valkey", version.as_str()),
        None => ("Redis", of("redis_version")),
    };
    let text = format!("{place}: {product} {version}");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let mut findings = vec![if major.is_some_and(|major| major >= VERSION_LEAST) {
        Finding::new("gate", State::Good, text)
    } else {
        Finding::new("gate", State::Bad, text).advice("use Redis 7 or newer, or Valkey")
    }];
    if let Some(policy) = info.get("maxmemory_policy").filter(|policy| *policy != EVICTION_POLICY) {
        let text = format!("{place}: drops keys when its memory is full (maxmemory-policy {policy})");
        let advice = format!("set maxmemory-policy to {EVICTION_POLICY}: until then the gate stays closed");
        findings.push(Finding::new("gate", State::Bad, text).advice(&advice));
    }
    if of("role") == "slave" {
        let text = format!("{place}: is a replica, which takes no writes");
        findings.push(Finding::new("gate", State::Bad, text).advice("write the address of the primary"));
    }
    if of("aof_enabled") == "0" {
        let text = format!("{place}: keeps no append-only file");
        let advice = "set appendonly to yes: else requests that wait on a stream are lost with the server, and the gate is rebuilt after each restart";
        findings.push(Finding::new("gate", State::Warn, text).advice(advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(pairs: &[(&str, &str)]) -> Vec<(State, String)> {
        let info = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        judge(&info, "here").into_iter().map(|finding| (finding.state, finding.text)).collect()
    }

    #[test]
    fn a_redis_fit_for_a_gate_is_good_and_everything_else_is_told() {
        let fit = [("redis_version", "7.0.15"), ("maxmemory", "0"), ("aof_enabled", "1"), ("role", "master")];
        assert_eq!(judged(&fit), [(State::Good, "here: Redis 7.0.15".to_owned())]);
        let unfit = [
            ("redis_version", "6.2.1"),
            ("maxmemory", "1000000"),
            ("maxmemory_policy", "allkeys-lru"),
            ("role", "slave"),
            ("aof_enabled", "0"),
        ];
        let states: Vec<State> = judged(&unfit).into_iter().map(|(state, _)| state).collect();
        assert_eq!(states, [State::Bad, State::Bad, State::Bad, State::Warn]);
    }

    #[test]
    fn what_closes_the_gate_is_bad_here_too() {
        let unlimited = [
            ("redis_version", "7.0.15"),
            ("maxmemory", "0"),
            ("maxmemory_policy", "allkeys-lru"),
            ("aof_enabled", "1"),
        ];
        let states: Vec<State> = judged(&unlimited).into_iter().map(|(state, _)| state).collect();
        assert_eq!(states, [State::Good, State::Bad]);
    }

    #[test]
    fn valkey_is_named_by_its_own_version() {
        let told = judged(&[("redis_version", "7.2.4"), ("valkey_version", "8.0.1"), ("maxmemory", "0")]);
        assert_eq!(told, [(State::Good, "here: Valkey 8.0.1".to_owned())]);
    }
}
