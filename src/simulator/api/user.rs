//! Who the token belongs to and how much it has left.

use serde_json::{Value, json};

use super::{Context, render_pull};
use crate::simulator::http::reply::Reply;

/// `GET /user`.
pub(super) fn user(context: &Context<'_>) -> Reply {
    let person = &context.caller.person;
    let mut view = render_pull::person(person, context.base);
    let more = json!({
        "name": person.name.as_deref(), "company": null, "blog": "", "location": null, "email": null, "hireable": null,
        "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0,
        "created_at": "2020-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "two_factor_authentication": true,
        "private_gists": 0, "total_private_repos": 0, "owned_private_repos": 0, "disk_usage": 0, "collaborators": 0,
    });
    if let (Some(fields), Value::Object(more)) = (view.as_object_mut(), more) {
        fields.extend(more);
    }
    Reply::json(200, &view)
}

/// `GET /rate_limit`, which costs nothing.
pub(super) fn rate_limit(context: Context<'_>) -> Reply {
    let quota = context.world.limits.look(context.caller.person.id, context.now_ms);
    let core = json!({
        "limit": quota.limit, "used": quota.used, "remaining": quota.remaining(), "reset": quota.reset_s,
    });
    let other = |limit: u64| json!({"limit": limit, "used": 0, "remaining": limit, "reset": quota.reset_s});
    let resources =
        json!({"core": core, "search": other(30), "graphql": other(5_000), "code_search": other(10)});
    let mut body = json!({"resources": resources});
    if context.caller.version == "2022-11-28"
        && let Some(fields) = body.as_object_mut()
    {
        fields.insert("rate".to_owned(), core);
    }
    Reply::json(200, &body)
}
