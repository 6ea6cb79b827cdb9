//! Freezes made by people while the daemon runs: adding and lifting them, and exceptions, each on the record.

use serde_json::json;

use crate::{
    ledger::{
        command::{By, FreezeChange, Reply},
        rows::{ExemptionRow, FreezeRow},
        working_set::{About, WorkingSet},
    },
    policy::freeze::Exempt,
};

/// A change that is in force already is not written again.
pub fn freeze(set: &mut WorkingSet, change: &FreezeChange, by: &By) -> Reply {
    match change {
        FreezeChange::Add { name, body_json } => add(set, name, body_json, by),
        FreezeChange::Lift { name } => lift(set, name, by),
        FreezeChange::Exempt(exemption) => {
            let id = set.head.seq.saturating_add(1).to_string();
            let about = match exemption.exempt {
                Exempt::Job(job) => set.about(job),
                Exempt::Request(request) => About { request: Some(request), ..About::default() },
                Exempt::Everything => About::default(),
            };
            let body = json!({
                "freeze": exemption.freeze, "exempt": exemption.exempt, "until": exemption.until.to_string(),
                "reason": exemption.reason,
            });
            set.enter("freeze.exempted", about, &by.actor, &body);
            set.new_exemptions.push(ExemptionRow {
                id,
                of_freeze: exemption.freeze.clone(),
                exempt_json: json!(exemption.exempt).to_string(),
                until: exemption.until,
                reason: exemption.reason.clone(),
                actor: exemption.actor.clone(),
                created_at: set.now,
            });
            Reply::Done
        }
    }
}

fn add(set: &mut WorkingSet, name: &str, body_json: &str, by: &By) -> Reply {
    if let Some(known) = set.freezes.get(&name.to_owned()).filter(|known| known.lifted_at.is_none()) {
        if known.body_json == body_json {
            return Reply::Done;
        }
        return Reply::Conflict(format!(
            "there is a freeze {name} already, made by {} on {}: lift it first, or choose another name",
            known.actor, known.created_at
        ));
    }
    let row = FreezeRow {
        name: name.to_owned(),
        body_json: body_json.to_owned(),
        actor: by.actor.clone(),
        created_at: set.now,
        lifted_at: None,
    };
    set.freezes.put(row.name.clone(), row);
    let written = serde_json::from_str::<serde_json::Value>(body_json).unwrap_or_default();
    set.enter("freeze.added", About::default(), &by.actor, &json!({ "freeze": name, "written": written }));
    Reply::Done
}

fn lift(set: &mut WorkingSet, name: &str, by: &By) -> Reply {
    let now = set.now;
    let Some(row) = set.freezes.get(&name.to_owned()) else {
        return Reply::Conflict(format!("there is no freeze {name}: see `sluice freeze list`"));
    };
    if row.lifted_at.is_some() {
        return Reply::Done;
    }
    if let Some(row) = set.freezes.edit(&name.to_owned()) {
        row.lifted_at = Some(now);
    }
    set.enter("freeze.lifted", About::default(), &by.actor, &json!({ "freeze": name, "reason": by.reason }));
    Reply::Done
}
