//! Approvals: each word is kept, and what it completes goes on. A word counts for the plan that it was given for, never for
//! another one, and never from who asked.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    job::{id::JobId, lifecycle::Event, state::State},
    ledger::{
        apply::{
            operator::unfit,
            step::{Detail, take_step},
            waves,
        },
        command::{About, Reply, Word},
        rows::{ApprovalRow, WavesState},
        waves::{given, needs},
        working_set::{About as Entry, Shared, WorkingSet},
    },
    policy::approval::{self, APPROVER, Need, Subject},
};

pub fn approve(set: &mut WorkingSet, word: &Word) -> Reply {
    match take_word(set, word) {
        Ok(()) => Reply::Done,
        Err(why) => Reply::Conflict(why),
    }
}

fn take_word(set: &mut WorkingSet, word: &Word) -> Result<(), String> {
    let shared = set.requests.get(&word.request).cloned();
    let shared = shared.ok_or_else(|| format!("request {} is not known", word.request))?;
    let row = &shared.row;
    if row.plan_digest != word.digest {
        return Err(format!(
            "the approval is of the plan {}, and request {} goes by the plan {}: look at it again",
            short(&word.digest),
            row.id,
            short(&row.plan_digest)
        ));
    }
    if shared.was_asked_by(&word.by.actor) {
        let what = match word.about {
            About::Job(job) => format!("job {job}"),
            About::Request | About::Wave(_) => format!("request {}", row.id),
        };
        let who = &word.by.actor;
        return Err(format!(
            "{what}: {who} asked for this and cannot let it pass as well: somebody else must"
        ));
    }
    let wanted = wanted(set, &shared, word)?;
    if !wanted.iter().any(|role| word.roles.contains(role)) {
        return Err(format!(
            "{} has no role that is asked for here ({}): see [[person]] in the configuration",
            word.by.actor,
            wanted.join(", ")
        ));
    }
    keep(set, word);
    match word.about {
        About::Job(job) => release(set, job, &word.by.actor, &word.by.reason).map(drop),
        About::Request => {
            for job in waves::held(set, word.request, |_| true) {
                drop(release(set, job, &word.by.actor, &word.by.reason));
            }
            Ok(())
        }
        About::Wave(_) => {
            waves::advance(set, &shared, &word.by.actor);
            Ok(())
        }
    }
}

/// The roles that are asked for; Err: nothing is.
fn wanted(set: &WorkingSet, shared: &Shared, word: &Word) -> Result<Vec<String>, String> {
    let roles = |needs: Vec<Need>| needs.into_iter().map(|need| need.role).collect::<Vec<_>>();
    match word.about {
        About::Job(id) => {
            let job = set.jobs.get(&id).ok_or_else(|| format!("job {id} is not known"))?;
            if job.state != State::Held {
                return Err(format!("job {id}: {}", unfit(job.state, Event::Approved)));
            }
            let needs = needs(shared.spec.hold, job);
            if needs.is_empty() {
                return Err(format!(
                    "job {id} needs no approval of its own; it waits for wave {}: `sluice wave show {}`",
                    job.wave, shared.row.id
                ));
            }
            Ok(roles(needs))
        }
        About::Request => {
            let held = waves::held(set, word.request, |_| true);
            let of =
                |job: &JobId| set.jobs.get(job).map(|job| needs(shared.spec.hold, job)).unwrap_or_default();
            let roles: BTreeSet<String> = held.iter().flat_map(|job| roles(of(job))).collect();
            if roles.is_empty() {
                Err(format!("no job of request {} needs an approval", word.request))
            } else {
                Ok(roles.into_iter().collect())
            }
        }
        About::Wave(number) => {
            let (row, rule) = set
                .waves
                .get(&word.request)
                .zip(shared.spec.waves.as_ref())
                .ok_or_else(|| format!("request {} has no waves", word.request))?;
            if matches!(row.state, WavesState::Over | WavesState::Aborted) || row.opened >= row.total {
                return Err(format!("no wave of request {} is left to open", word.request));
            }
            if number != row.opened.saturating_add(1) {
                let next = row.opened.saturating_add(1);
                return Err(format!("wave {number} is not the next one: that is wave {next}"));
            }
            let asked = rule.rule.approvals.as_ref();
            Ok(vec![asked.map_or_else(|| APPROVER.to_owned(), |asked| asked.role.clone())])
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn keep(set: &mut WorkingSet, word: &Word) {
    let about = word.about.to_string();
    let row = ApprovalRow {
        id: format!("{}/{about}/{}", word.request, word.by.actor.to_lowercase()),
        request_id: word.request,
        about: about.clone(),
        digest: word.digest.clone(),
        actor: word.by.actor.clone(),
        roles_json: serde_json::to_string(&word.roles).unwrap_or_default(),
        reason: word.by.reason.clone(),
        given_at: set.now,
        expires_at: word.expires_at,
    };
    let entry = match word.about {
        About::Job(job) => set.about(job),
        About::Request | About::Wave(_) => Entry { request: Some(word.request), ..Entry::default() },
    };
    let body = json!({
        "about": about, "plan_digest": row.digest, "roles": word.roles, "reason": row.reason,
        "expires_at": row.expires_at.to_string(),
    });
    set.approvals.put(row.id.clone(), row);
    set.enter("approval.given", entry, &word.by.actor, &body);
}

/// Lets a held job go on if nothing is missing any more and its wave is open. True if it does.
pub fn release(set: &mut WorkingSet, id: JobId, actor: &str, reason: &str) -> Result<bool, String> {
    let Some(job) = set.jobs.get(&id).filter(|job| job.state == State::Held).cloned() else {
        return Ok(false);
    };
    let Some(shared) = set.request_of(&job) else { return Ok(false) };
    let open = job.wave == 0
        || set
            .waves
            .get(&job.request_id)
            .is_some_and(|row| job.wave <= row.opened && row.state != WavesState::Aborted);
    let subject = Subject { digest: &shared.row.plan_digest, requester: &shared.row.requester };
    let words = set.approvals.map.values().filter(|word| word.request_id == job.request_id);
    let given = given(words, &[About::Request, About::Job(id)]);
    if !open || !approval::missing(&needs(shared.spec.hold, &job), subject, &given, set.now).is_empty() {
        return Ok(false);
    }
    let detail = Detail { note: Some(reason), ..Detail::default() };
    take_step(set, id, Event::Approved, detail, actor).map(|_| true)
}
