//! Who is asked for a review.

use serde_json::{Value, json};

use super::body::Fields;
use super::{Context, pulls, render_pull};
use crate::simulator::http::reply::{Answer, Reply};
use crate::simulator::world::PullKey;

/// The only spelling under which Copilot reviews; the other two are accepted and do nothing.
const COPILOT_REVIEWER: &str = "copilot-pull-request-reviewer[bot]";
const IGNORED: [&str; 2] = ["copilot", "copilot-pull-request-reviewer"];

/// `GET …/pulls/{number}/requested_reviewers`.
pub(super) fn list(context: &Context<'_>, key: PullKey) -> Answer {
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let pull = context.world.pull(key).ok_or_else(Reply::not_found)?;
    let users: Vec<Value> =
        pull.reviewers.iter().map(|user| render_pull::person(user, context.base)).collect();
    let teams: Vec<Value> =
        pull.teams.iter().map(|slug| render_pull::team(slug, home, context.base)).collect();
    Ok(Reply::json(200, &json!({"users": users, "teams": teams})))
}

/// `POST …/pulls/{number}/requested_reviewers`.
pub(super) fn ask(context: Context<'_>, key: PullKey) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let (mut logins, teams) = names(context.body)?;
    logins.retain(|login| !IGNORED.iter().any(|ignored| login.eq_ignore_ascii_case(ignored)));
    let home = context.world.repository(key.repository).ok_or_else(Reply::not_found)?;
    let author = context.world.pull(key).map(|pull| pull.author.login.clone()).unwrap_or_default();
    if logins.iter().any(|login| login.eq_ignore_ascii_case(&author)) {
        return Err(Reply::unprocessable("Review cannot be requested from pull request author."));
    }
    let stranger = logins.iter().any(|login| login != COPILOT_REVIEWER && !home.has_collaborator(login));
    if stranger || teams.iter().any(|slug| !home.has_team(slug)) {
        let message = "Reviews may only be requested from collaborators. One or more of the users or teams you \
                       specified is not a collaborator of the repository.";
        return Err(Reply::unprocessable(message));
    }
    let people: Vec<_> = logins.iter().map(|login| context.world.users.find(login)).collect();
    let pull = context.world.pull_mut(key).ok_or_else(Reply::not_found)?;
    for person in people {
        pull.answered_by(&person);
        pull.reviewers.push(person);
    }
    for slug in teams {
        pull.teams.retain(|known| *known != slug);
        pull.teams.push(slug);
    }
    let asked = !pull.reviewers.is_empty() || !pull.teams.is_empty();
    pull.updated_ms = context.now_ms;
    if asked {
        context.world.review_requested(key, context.now_ms);
    }
    pulls::get(&context, key).map(|reply| Reply { status: 201, ..reply })
}

/// `DELETE …/pulls/{number}/requested_reviewers`.
pub(super) fn unask(context: Context<'_>, key: PullKey) -> Answer {
    let key = context.pull_key(key.repository, key.number)?;
    let (logins, teams) = names(context.body)?;
    let pull = context.world.pull_mut(key).ok_or_else(Reply::not_found)?;
    pull.reviewers.retain(|person| !logins.iter().any(|login| login.eq_ignore_ascii_case(&person.login)));
    pull.teams.retain(|slug| !teams.contains(slug));
    pull.updated_ms = context.now_ms;
    pulls::get(&context, key)
}

fn names(body: &[u8]) -> Result<(Vec<String>, Vec<String>), Reply> {
    let mut fields = Fields::read(body)?;
    let (logins, teams) = (fields.texts("reviewers"), fields.texts("team_reviewers"));
    fields.end()?;
    Ok((logins.unwrap_or_default(), teams.unwrap_or_default()))
}
