//! What GitHub checks before it looks at a call: user agent, API version, token, rate limit, what the
//! token can see and what it may do. The order decides which error wins.

use std::sync::Arc;

use http::HeaderMap;

use super::reply::Reply;
use super::route::{Call, Route};
use crate::simulator::scenario::{Access, Permission, Token};
use crate::simulator::world::users::Person;
use crate::simulator::world::{RepositoryKey, World};

const NO_AGENT: &str = "Request forbidden by administrative rules. Please make sure your request has a User-Agent header \
(https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required).";

/// Who calls, and with which version of the API.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub token: Arc<Token>,
    pub person: Person,
    pub version: String,
}

/// Text of a header, empty when absent.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Finds out who calls.
pub(crate) fn identify(world: &mut World, headers: &HeaderMap, now_ms: i64) -> Result<Caller, Reply> {
    if header(headers, "user-agent").is_empty() {
        return Err(Reply::text(403, NO_AGENT));
    }
    let version = version(world, header(headers, "x-github-api-version"))?;
    let authorization = header(headers, "authorization");
    if authorization.is_empty() {
        return Err(Reply::error(401, "Requires authentication"));
    }
    let (scheme, secret) = authorization.split_once(' ').unwrap_or_default();
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    let token = world
        .token(secret.trim())
        .filter(|token| known && !token.revoked && token.expires.is_none_or(|end| now_ms < end.0));
    let token = token.ok_or_else(|| Reply::error(401, "Bad credentials"))?;
    let person = world.users.find(&token.user);
    Ok(Caller { token, person, version })
}

fn version(world: &World, asked: &str) -> Result<String, Reply> {
    let versions = &world.scenario.server.api_versions;
    if asked.is_empty() {
        return Ok(versions.first().cloned().unwrap_or_default());
    }
    let known = versions.iter().find(|version| *version == asked).cloned();
    known.ok_or_else(|| Reply::error(400, &format!("\"{asked}\" is not a supported version of the REST API")))
}

/// Takes one request from the primary limit.
pub(crate) fn spend(world: &mut World, caller: &Caller, call: &Call<'_>, now_ms: i64) -> Result<(), Reply> {
    if *call == Call::RateLimit || world.limits.take(caller.person.id, now_ms) {
        return Ok(());
    }
    Err(Reply::error(403, &format!("API rate limit exceeded for user ID {}.", caller.person.id)))
}

/// Finds the repository of the call; hidden, unknown and, for agent tasks, switched off are alike.
pub(crate) fn enter(
    world: &mut World,
    caller: &Caller,
    route: &Route<'_>,
) -> Result<Option<RepositoryKey>, Reply> {
    let found = match route.call {
        Call::Repository { owner, name, .. } => Some(visible(world, caller, owner, name)?),
        Call::User
        | Call::UserRepositories
        | Call::OrganisationAgent(_)
        | Call::RateLimit
        | Call::Graphql
        | Call::UserTasks
        | Call::UserTask(_) => None,
    };
    let (permission, needed) = route.needs;
    // Labels and comments of a pull request may be reached by either permission.
    let either = permission == Permission::Issues && caller.token.access(Permission::PullRequests) >= needed;
    if caller.token.access(permission) < needed && !either {
        let access = if needed == Access::Write { "write" } else { "read" };
        let accepted = format!("{}={access}", permission.word());
        return Err(Reply::error(403, "Resource not accessible by personal access token")
            .with("x-accepted-github-permissions", accepted));
    }
    let traits = found.and_then(|key| world.repository(key)).map(|repository| &repository.traits);
    if let Some(traits) = traits {
        if permission == Permission::AgentTasks && !traits.agent_enabled {
            return Err(Reply::not_found());
        }
        if needed == Access::Write && traits.archived {
            return Err(Reply::error(403, "Repository was archived so is read-only."));
        }
        if needed == Access::Write && traits.disabled {
            return Err(Reply::error(403, "Repository access blocked"));
        }
        if needed == Access::Write && !traits.push {
            return Err(Reply::error(403, "Must have push access to the repository."));
        }
    }
    Ok(found)
}

fn visible(world: &mut World, caller: &Caller, owner: &str, name: &str) -> Result<RepositoryKey, Reply> {
    let seen = caller.token.sees(&format!("{owner}/{name}"));
    let found = if seen { world.find_repository(owner, name) } else { None };
    found.ok_or_else(Reply::not_found)
}
