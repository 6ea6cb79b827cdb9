//! A sink for notices: takes any POST, remembers it, and fails as often as it is told to.

use http::request::Parts;
use serde::Deserialize;
use serde_json::json;

use super::read_body;
use crate::simulator::clock;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::World;
use crate::simulator::world::log::Delivery;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failures {
    times: u64,
    #[serde(default = "unavailable")]
    status: u16,
}

fn unavailable() -> u16 {
    503
}

/// `POST /_control/webhooks/fail`.
pub(super) fn fail(world: &mut World, body: &[u8]) -> Answer {
    let Failures { times, status } = read_body(body)?;
    world.sink.fail(times, status);
    Ok(Reply::json(200, &json!({"times": times, "status": status})))
}

/// `POST /_control/webhooks/sink`, with anything behind it.
pub(super) fn receive(world: &mut World, parts: &Parts, body: &[u8], now_ms: i64) -> Reply {
    let status = world.sink.next_status();
    let headers = parts.headers.iter().map(|(name, value)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    });
    let delivery = Delivery {
        seq: world.sink.deliveries.len() + 1,
        at: clock::milliseconds(now_ms),
        at_ms: now_ms,
        path: parts.uri.path().to_owned(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(body).into_owned(),
        status,
    };
    world.sink.deliveries.push(delivery);
    Reply::empty(status)
}
