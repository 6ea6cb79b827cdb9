//! What tests read: tasks, pull requests and request counts, as they are and not as lists lag.

use serde_json::{Value, json};

use crate::simulator::http::reply::Reply;
use crate::simulator::world::World;

/// Every task there ever was.
pub(super) fn tasks(world: &World) -> Reply {
    let tasks: Vec<Value> = world
        .tasks()
        .map(|task| {
            let home = world.repository(task.repository);
            let number = task.pull;
            json!({
                "id": *task.id, "repository": home.map(|home| home.full_name.to_string()),
                "marker": task.marker.as_deref(), "state": task.state.word(), "live": !task.state.is_ended(),
                "created_ms": task.created_ms, "ended_ms": task.ended_ms, "updated_ms": task.updated_ms,
                "branch": task.branch().map(ToString::to_string), "pull": number,
            })
        })
        .collect();
    Reply::json(200, &tasks)
}

/// Every pull request there ever was.
pub(super) fn pulls(world: &World) -> Reply {
    let pulls: Vec<Value> = world
        .repositories()
        .flat_map(|home| {
            home.pulls.all().map(|pull| {
                json!({
                    "repository": *home.full_name, "number": pull.number, "id": pull.id, "node_id": *pull.node_id,
                    "open": pull.is_open(), "merged": pull.merge.is_some(), "draft": pull.draft,
                    "head_ref": *pull.head_ref, "labels": pull.labels, "title": pull.title, "body": pull.body,
                    "reviewers": pull.reviewers.iter().map(|user| user.login.to_string()).collect::<Vec<_>>(),
                    "created_ms": pull.created_ms, "closed_ms": pull.closed_ms,
                })
            })
        })
        .collect();
    Reply::json(200, &pulls)
}

/// Requests by method, route and status.
pub(super) fn requests(world: &mut World, now_ms: i64) -> Reply {
    let (counts, total, last_60_s) = world.requests.read(now_ms);
    Reply::json(200, &json!({"counts": counts, "total": total, "last_60_s": last_60_s}))
}
