//! Takes a request from the wire to its answer. Holds the world's lock only while it computes; all
//! waiting (latency faults) happens outside.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};

use super::gate::{self, Caller, header};
use super::query::Query;
use super::reply::Reply;
use super::route::{self, Call, Route};
use crate::simulator::Simulator;
use crate::simulator::api::{self, Context};
use crate::simulator::clock;
use crate::simulator::connection::Switch;
use crate::simulator::control;
use crate::simulator::scenario::{Fault, When};
use crate::simulator::world::World;
use crate::simulator::world::faults::Seen;

/// The largest body that is read.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a dropped connection is in the request log.
const DROPPED: u16 = 0;
/// What a dropped connection is without a connection (router used in process).
const DROPPED_IN_PROCESS: u16 = 599;
const UNMATCHED: &str = "unmatched";

/// Answers one request.
pub(crate) async fn handle(simulator: Simulator, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return respond(Reply::error(413, "Payload too large"));
    };
    let path = parts.uri.path();
    if let Some(rest) = path.strip_prefix("/_control") {
        return respond(control::handle(&simulator, &parts, rest, &body));
    }
    let segments = route::segments(path);
    let route = segments.as_deref().and_then(|segments| route::find(parts.method.as_str(), segments));
    let template = route.map_or(UNMATCHED, |route| route.template);
    let strikes = strike(&simulator, &parts, route.as_ref());
    let outcome = outcome(&simulator, &parts, route.as_ref(), &body, &strikes).await;
    let status = if let Outcome::Answer(reply) = &outcome { reply.status } else { DROPPED };
    let now_ms = simulator.clock.now_ms();
    simulator.world().requests.add(parts.method.as_str(), template, status, now_ms);
    match outcome {
        Outcome::Answer(reply) => respond(reply),
        Outcome::Drop => drop_connection(&parts),
    }
}

enum Outcome {
    Answer(Reply),
    Drop,
}

/// Lets faults strike before the effect, then the effect, then faults after it.
async fn outcome(
    simulator: &Simulator,
    parts: &Parts,
    route: Option<&Route<'_>>,
    body: &[u8],
    strikes: &[Fault],
) -> Outcome {
    if let Some(spoiled) = play(strikes, When::Before).await {
        return spoiled;
    }
    let (reply, create) = answer(simulator, parts, route, body);
    if let Some(spoiled) = play(strikes, When::After).await {
        return spoiled;
    }
    // Reached only while the caller is still there: its going away cancels the waiting above.
    confirm(simulator, create);
    Outcome::Answer(reply)
}

fn strike(simulator: &Simulator, parts: &Parts, route: Option<&Route<'_>>) -> Vec<Fault> {
    let mut world = simulator.world();
    if world.faults.len() == 0 {
        return Vec::new();
    }
    let repository = route.and_then(|route| match route.call {
        Call::Repository { owner, name, .. } => Some(format!("{owner}/{name}")),
        _ => None,
    });
    world.faults.strike(Seen {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        template: route.map_or(UNMATCHED, |route| route.template),
        repository: repository.as_deref(),
    })
}

/// Waits and spoils as the faults of one side say; `None` leaves the request alone.
async fn play(strikes: &[Fault], when: When) -> Option<Outcome> {
    let mut outcome = None;
    for fault in strikes.iter().filter(|fault| fault.when == when) {
        if let Some(latency_ms) = fault.latency_ms {
            tokio::time::sleep(Duration::from_millis(latency_ms)).await;
        }
        if fault.drop {
            outcome.get_or_insert(Outcome::Drop);
        } else if let Some(status) = fault.status {
            outcome.get_or_insert_with(|| Outcome::Answer(spoiled(fault, status)));
        }
    }
    outcome
}

fn spoiled(fault: &Fault, status: u16) -> Reply {
    if fault.secondary {
        return Reply::secondary_limit(status, fault.retry_after_s);
    }
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let reply = Reply::error(status, reason.unwrap_or("Injected fault"));
    match fault.retry_after_s {
        Some(seconds) => reply.with("retry-after", seconds.to_string()),
        None => reply,
    }
}

/// The answer without faults, and the position of the create in the log if there was one.
fn answer(
    simulator: &Simulator,
    parts: &Parts,
    route: Option<&Route<'_>>,
    body: &[u8],
) -> (Reply, Option<usize>) {
    let mut world = simulator.world();
    let now_ms = simulator.clock.now_ms();
    world.advance(now_ms);
    let before = world.creates.len();
    let reply = match gate::identify(&mut world, &parts.headers, now_ms) {
        Ok(caller) => {
            let reply = admitted(&mut world, parts, route, body, &caller, now_ms);
            let reply = conditional(&mut world, parts, reply, &caller);
            decorate(&mut world, reply, &caller, now_ms)
        }
        Err(reply) => reply,
    };
    (reply, (world.creates.len() > before).then_some(before))
}

fn admitted(
    world: &mut World,
    parts: &Parts,
    route: Option<&Route<'_>>,
    body: &[u8],
    caller: &Caller,
    now_ms: i64,
) -> Reply {
    let Some(route) = route else { return Reply::not_found() };
    let entered =
        gate::spend(world, caller, &route.call, now_ms).and_then(|()| gate::enter(world, caller, route));
    let repository = match entered {
        Ok(repository) => repository,
        Err(reply) => return reply,
    };
    let host = header(&parts.headers, "host");
    let host = if host.is_empty() { "simulator.invalid" } else { host };
    let context = Context {
        world,
        now_ms,
        caller,
        base: &format!("http://{host}"),
        path: parts.uri.path(),
        query: &Query::parse(parts.uri.query().unwrap_or_default()),
        body,
    };
    api::call(context, &route.call, repository).unwrap_or_else(|reply| reply)
}

/// Adds the entity tag, and answers 304 when the caller has that version already.
fn conditional(world: &mut World, parts: &Parts, reply: Reply, caller: &Caller) -> Reply {
    if !world.scenario.server.etags || parts.method != http::Method::GET || reply.status != 200 {
        return reply;
    }
    let tag = format!("W/\"{:016x}\"", fingerprint(&reply.body));
    let known = header(&parts.headers, "if-none-match");
    let same = !known.is_empty()
        && known.split(',').any(|candidate| candidate.trim() == tag || candidate.trim() == "*");
    if same {
        world.limits.give_back(caller.person.id);
        return Reply { headers: reply.headers, ..Reply::empty(304) }.with("etag", tag);
    }
    reply.with("etag", tag)
}

/// FNV-1a over eight bytes at a time.
fn fingerprint(body: &[u8]) -> u64 {
    body.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let word = chunk.iter().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    })
}

fn decorate(world: &mut World, reply: Reply, caller: &Caller, now_ms: i64) -> Reply {
    let quota = world.limits.look(caller.person.id, now_ms);
    let reply = reply
        .with("x-ratelimit-limit", quota.limit.to_string())
        .with("x-ratelimit-remaining", quota.remaining().to_string())
        .with("x-ratelimit-used", quota.used.to_string())
        .with("x-ratelimit-reset", quota.reset_s.to_string())
        .with("x-ratelimit-resource", "core".to_owned())
        .with("x-github-api-version-selected", caller.version.clone())
        .with("x-github-request-id", format!("51E9:{:08X}", world.requests.total() + 1));
    match caller.token.expires {
        Some(end) => {
            let text = clock::seconds(end.0).replace('T', " ").replace('Z', " UTC");
            reply.with("github-authentication-token-expiration", text)
        }
        None => reply,
    }
}

fn confirm(simulator: &Simulator, create: Option<usize>) {
    let Some(position) = create else { return };
    if let Some(record) = simulator.world().creates.get_mut(position) {
        record.answered = true;
    }
}

/// Closes the connection without a byte, or says so where there is no connection.
fn drop_connection(parts: &Parts) -> Response {
    match parts.extensions.get::<ConnectInfo<Switch>>() {
        Some(ConnectInfo(switch)) => switch.cut(),
        None => return respond(Reply::error(DROPPED_IN_PROCESS, "Connection dropped")),
    }
    respond(Reply::empty(500))
}

fn respond(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if !reply.content_type.is_empty() {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(reply.content_type));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}
