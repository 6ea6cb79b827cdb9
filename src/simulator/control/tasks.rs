//! Forces a task's story to turn: `answer`, `wait`, `complete`, `fail` and so on.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::read_body;
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::World;
use crate::simulator::world::state::TaskState;
use crate::simulator::world::task::Step;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    message: Option<String>,
}

/// `POST /_control/tasks/{id}/{verb}`; `fail` takes `{"message": …}`.
pub(super) fn force(world: &mut World, id: &str, verb: &str, body: &[u8], now_ms: i64) -> Answer {
    let key = world.task_of(id).ok_or_else(Reply::not_found)?;
    let Say { message } = if body.is_empty() { Say::default() } else { read_body(body)? };
    let message: Option<Arc<str>> = message.map(Arc::from);
    let step = match verb {
        "wait" => Step::Pause(TaskState::WaitingForUser),
        "idle" => Step::Pause(TaskState::Idle),
        "complete" => Step::End(TaskState::Completed, None),
        "cancel" => Step::End(TaskState::Cancelled, None),
        "timeout" => Step::End(TaskState::TimedOut, message),
        "fail" => {
            let default = world.task(key).map(|task| Arc::clone(&task.story.message));
            Step::End(TaskState::Failed, message.or(default))
        }
        "answer" => {
            world.resume(key, now_ms, None);
            return state(world, id);
        }
        "reopen" => {
            let prompt = message.unwrap_or_else(|| Arc::from("@copilot please go on"));
            world.resume(key, now_ms, Some(prompt));
            return state(world, id);
        }
        "archive" | "unarchive" => {
            world.archive(key, now_ms, verb == "archive");
            return state(world, id);
        }
        _ => return Err(Reply::not_found()),
    };
    world.force(key, now_ms, &step);
    state(world, id)
}

fn state(world: &World, id: &str) -> Answer {
    let task = world.task_of(id).and_then(|key| world.task(key)).ok_or_else(Reply::not_found)?;
    Ok(Reply::json(200, &json!({"id": id, "state": task.state.word()})))
}
