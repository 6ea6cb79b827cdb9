//! What people say of things that need one: that they have seen it, that it can wait, or whose it is.

use serde_json::{Value, json};

use crate::ledger::{
    command::{By, DeskAct, Reply},
    rows::DeskRow,
    working_set::{About, WorkingSet},
};

pub fn desk(set: &mut WorkingSet, item: &str, about: About, act: &DeskAct, by: &By) -> Reply {
    let known = set.bulk.desk.remove(item);
    let mut row = known.unwrap_or_else(|| DeskRow {
        id: item.to_owned(),
        acknowledged_by: None,
        acknowledged_at: None,
        snoozed_until: None,
        assignee: None,
        actor: String::new(),
        reason: String::new(),
        at: set.now,
    });
    let (kind, mut body) = match act {
        DeskAct::Acknowledge => {
            (row.acknowledged_by, row.acknowledged_at) = (Some(by.actor.clone()), Some(set.now));
            ("desk.acknowledged", json!({}))
        }
        DeskAct::Snooze(until) => {
            row.snoozed_until = Some(*until);
            ("desk.snoozed", json!({ "until": until.to_string() }))
        }
        DeskAct::Assign(to) => {
            // Whoever had seen it has it no more.
            (row.acknowledged_by, row.acknowledged_at) = (None, None);
            row.assignee = Some(to.clone());
            ("desk.reassigned", json!({ "assignee": to }))
        }
    };
    row.actor.clone_from(&by.actor);
    row.reason.clone_from(&by.reason);
    row.at = set.now;
    set.bulk.desk.insert(row.id.clone(), row);
    if let Value::Object(body) = &mut body {
        body.insert("item".to_owned(), json!(item));
        body.insert("reason".to_owned(), json!(by.reason));
    }
    set.enter(kind, about, &by.actor, &body);
    Reply::Done
}
