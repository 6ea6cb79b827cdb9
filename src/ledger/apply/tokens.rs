//! Tokens of the HTTP interface: giving one out and taking it back, each on the record; and when one was last used, which is not.

use serde_json::{Value, json};

use crate::{
    job::time::Timestamp,
    ledger::{
        command::{By, Reply, TokenChange},
        rows::TokenRow,
        working_set::{About, WorkingSet},
    },
};

pub fn token(set: &mut WorkingSet, change: &TokenChange, by: &By) -> Reply {
    match change {
        TokenChange::Create { row, beside } => create(set, row, *beside, by),
        TokenChange::Revoke { which } => revoke(set, which, by),
    }
}

fn create(set: &mut WorkingSet, row: &TokenRow, beside: bool, by: &By) -> Reply {
    if set.tokens.get(&row.id).is_some_and(|known| known.digest == row.digest) {
        // The same again: its first answer was lost.
        return Reply::Done;
    }
    let now = set.now;
    let valid = set.tokens.map.values().find(|known| known.name == row.name && known.is_valid(now));
    if let Some(known) = valid.filter(|_| !beside) {
        return Reply::Conflict(format!(
            "{} has a token already ({}): revoke it first, or create this one beside it to change over",
            known.name, known.id
        ));
    }
    let body = json!({
        "token": row.id, "name": row.name, "grant": serde_json::from_str::<Value>(&row.grant_json).unwrap_or_default(),
        "expires_at": row.expires_at.map(|at| at.to_string()), "reason": by.reason,
    });
    set.enter("token.created", About::default(), &by.actor, &body);
    let row = TokenRow { created_at: now, created_by: by.actor.clone(), ..row.clone() };
    set.tokens.put(row.id.clone(), row);
    Reply::Done
}

/// One by its id, or every one of a name.
fn revoke(set: &mut WorkingSet, which: &str, by: &By) -> Reply {
    let now = set.now;
    let named: Vec<TokenRow> =
        set.tokens.map.values().filter(|row| row.id == which || row.name == which).cloned().collect();
    if named.is_empty() {
        return Reply::Conflict(format!("there is no token {which}: see `sluice token list`"));
    }
    for row in named.into_iter().filter(|row| row.revoked_at.is_none()) {
        let body = json!({ "token": row.id, "name": row.name, "reason": by.reason });
        set.enter("token.revoked", About::default(), &by.actor, &body);
        if let Some(row) = set.tokens.edit(&row.id) {
            row.revoked_at = Some(now);
        }
    }
    Reply::Done
}

pub fn used(set: &mut WorkingSet, id: &str, at: Timestamp) -> Reply {
    let later = |row: &TokenRow| row.used_at.is_none_or(|known| known < at);
    let id = id.to_owned();
    if set.tokens.get(&id).is_some_and(later)
        && let Some(row) = set.tokens.edit(&id)
    {
        row.used_at = Some(at);
    }
    Reply::Done
}
