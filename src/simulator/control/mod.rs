//! The back door under `/_control/`: what tests and demonstrations read and force. It needs no token,
//! is never faulted and counts in no limit.

mod read;
mod tasks;
mod webhooks;

use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Simulator;
use super::http::reply::{Answer, Reply};
use super::scenario::{Fault, RepositoryPatch, TokenChange};
use super::world::{PullKey, World};

/// Answers a request below `/_control`.
pub(crate) fn handle(simulator: &Simulator, parts: &Parts, path: &str, body: &[u8]) -> Reply {
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let mut world = simulator.world();
    let now_ms = simulator.clock.now_ms();
    world.advance(now_ms);
    let answer = match (parts.method.as_str(), words.as_slice()) {
        ("GET", ["health"]) => Ok(Reply::json(200, &json!({"status": "ok", "now_ms": now_ms}))),
        ("GET", ["creates"]) => Ok(Reply::json(200, &world.creates)),
        ("GET", ["tasks"]) => Ok(read::tasks(&world)),
        ("GET", ["pulls"]) => Ok(read::pulls(&world)),
        ("GET", ["requests"]) => Ok(read::requests(&mut world, now_ms)),
        ("POST", ["tasks", id, verb]) => tasks::force(&mut world, id, verb, body, now_ms),
        ("POST", ["pulls", owner, name, number, verb]) => pull(&mut world, owner, name, number, verb, now_ms),
        ("POST", ["tokens", name]) => change_token(&mut world, name, body),
        ("POST", ["repositories"]) => change_repositories(&mut world, body),
        ("POST", ["models"]) => change_model(&mut world, body),
        ("POST", ["faults"]) => add_fault(&mut world, body),
        ("DELETE", ["faults"]) => {
            world.faults.clear();
            Ok(Reply::empty(204))
        }
        ("POST", ["clock"]) => {
            drop(world);
            return advance(simulator, body).unwrap_or_else(|reply| reply);
        }
        ("GET", ["webhooks"]) => Ok(Reply::json(200, &world.sink.deliveries)),
        ("DELETE", ["webhooks"]) => {
            world.sink.deliveries.clear();
            Ok(Reply::empty(204))
        }
        ("POST", ["webhooks", "fail"]) => webhooks::fail(&mut world, body),
        ("POST", ["webhooks", "sink", ..]) => Ok(webhooks::receive(&mut world, parts, body, now_ms)),
        _ => Err(Reply::not_found()),
    };
    answer.unwrap_or_else(|reply| reply)
}

/// Reads a JSON body; 400 says what is wrong with it.
fn read_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, Reply> {
    serde_json::from_slice(body).map_err(|error| Reply::error(400, &error.to_string()))
}

fn add_fault(world: &mut World, body: &[u8]) -> Answer {
    let fault: Fault = read_body(body)?;
    if let Some(problem) = fault.problem() {
        return Err(Reply::error(400, problem));
    }
    world.faults.add(fault);
    Ok(Reply::json(201, &json!({"faults": world.faults.len()})))
}

fn change_token(world: &mut World, name: &str, body: &[u8]) -> Answer {
    let change: TokenChange = read_body(body)?;
    if world.change_token(name, change) { Ok(Reply::empty(204)) } else { Err(Reply::not_found()) }
}

fn change_repositories(world: &mut World, body: &[u8]) -> Answer {
    let patch: RepositoryPatch = read_body(body)?;
    world.change_repositories(patch);
    Ok(Reply::empty(204))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Availability {
    name: String,
    available: bool,
}

fn change_model(world: &mut World, body: &[u8]) -> Answer {
    let Availability { name, available } = read_body(body)?;
    world.models.say(name, available);
    Ok(Reply::empty(204))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_ms: u32,
}

fn advance(simulator: &Simulator, body: &[u8]) -> Answer {
    let Advance { advance_ms } = read_body(body)?;
    let now_ms = simulator.clock.advance(i64::from(advance_ms));
    let now_ms = now_ms.ok_or_else(|| Reply::error(409, "the clock is real and cannot be moved"))?;
    simulator.world().advance(now_ms);
    Ok(Reply::json(200, &json!({"now_ms": now_ms})))
}

fn pull(world: &mut World, owner: &str, name: &str, number: &str, verb: &str, now_ms: i64) -> Answer {
    let repository = world.find_repository(owner, name).ok_or_else(Reply::not_found)?;
    let number = number.parse().map_err(|_| Reply::not_found())?;
    let key = PullKey { repository, number };
    let found = world.pull(key).ok_or_else(Reply::not_found)?;
    let asked = found.reviewers.first().map(|person| person.login.to_string());
    let by = world.users.find(asked.as_deref().unwrap_or("sim-reviewer"));
    let done = match verb {
        "merge" => world.merge(key, by, now_ms).map(|sha| json!({"number": number, "sha": *sha})),
        "close" => {
            world.close(key, now_ms);
            Some(json!({"number": number}))
        }
        "approve" => {
            world.give_review(key, by, "APPROVED", String::new(), now_ms);
            Some(json!({"number": number}))
        }
        "revert" => {
            world.revert(key, by, now_ms).map(|revert| json!({"number": number, "reverted_by": revert}))
        }
        _ => return Err(Reply::not_found()),
    };
    let done = done.ok_or_else(|| Reply::error(409, "the pull request is not in a state for that"))?;
    Ok(Reply::json(200, &done))
}
