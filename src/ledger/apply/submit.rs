//! Accepting a request: once per idempotency key, whole or not at all.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    ledger::{
        apply::{operator::POSITION_STEP, waves},
        command::{NewJob, Reply},
        rows::{PromptRow, RequestRow, RequestSpec, TemplateRow},
        working_set::{About, Shared, WorkingSet},
    },
    policy::request::hex,
};

pub fn submit(set: &mut WorkingSet, request: &RequestRow, jobs: &[NewJob]) -> Reply {
    if let Some(known) = set.requests.get(&request.id) {
        // The same request again: its first answer was lost.
        return Reply::Submitted { request: Box::new(known.row.clone()), replayed: true };
    }
    if let Some(key) = &request.idempotency_key
        && let Some(known) = set.by_idempotency_key.get(key)
    {
        return if known.body_digest == request.body_digest {
            Reply::Submitted { request: Box::new(known.clone()), replayed: true }
        } else {
            Reply::Conflict(format!(
                "idempotency key `{key}` was used on {} for another request ({}): use a new key for a new request",
                known.created_at, known.id
            ))
        };
    }
    let template = format!("{}@{}", request.template, request.template_version);
    match set.templates.get(&template) {
        Some(known) if known.digest != request.template_digest => {
            return Reply::Conflict(format!(
                "template {template} was changed after its first use on {}: give the changed text a new version",
                known.first_used_at
            ));
        }
        Some(_) => {}
        None => {
            let row = TemplateRow {
                id: template.clone(),
                digest: request.template_digest.clone(),
                first_used_at: set.now,
            };
            set.templates.put(template.clone(), row);
        }
    }
    let Ok(spec) = serde_json::from_str::<RequestSpec>(&request.spec_json) else {
        return Reply::Conflict("the request's spec cannot be read back".to_owned());
    };
    let request = RequestRow { created_at: set.now, ..request.clone() };
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut position = set.head.seq.saturating_add(1).saturating_mul(POSITION_STEP);
    for NewJob { row, prompt, pull_text } in jobs {
        let mut row = row.clone();
        row.position = position;
        position = position.saturating_add(1);
        (row.created_at, row.updated_at, row.state_since) = (set.now, set.now, set.now);
        digest.update(format!("{} {} {}\n", row.id, row.repository, row.prompt_digest).as_bytes());
        let pull_text_json = pull_text.is_given().then(|| json!(pull_text).to_string());
        set.new_prompts.push(PromptRow { job_id: row.id, prompt: prompt.clone(), pull_text_json });
        set.jobs.put(row.id, row);
    }
    let body = told(&request, &template, digest.finish().as_ref());
    let about = About { request: Some(request.id), ..About::default() };
    if spec.through.is_some() {
        set.through.clone_from(&spec.through);
    }
    set.enter("request.accepted", about, &request.requester.clone(), &body);
    waves::begin(set, &request, spec.waves.as_ref());
    if let Some(key) = &request.idempotency_key {
        set.by_idempotency_key.insert(key.clone(), request.clone());
    }
    set.requests.insert(request.id, Arc::new(Shared { row: request.clone(), spec }));
    set.new_requests.push(request.clone());
    Reply::Submitted { request: Box::new(request), replayed: false }
}

/// The request in the history.
fn told(request: &RequestRow, template: &str, jobs_digest: &[u8]) -> Value {
    json!({
        "template": template,
        "template_digest": request.template_digest,
        "plan_digest": request.plan_digest,
        "requester": request.requester,
        "idempotency_key": request.idempotency_key,
        "team": request.team,
        "identity": request.identity,
        "jobs": request.jobs,
        "jobs_digest": hex(jobs_digest),
        "skipped": serde_json::from_str::<Value>(&request.skipped_json).unwrap_or_default(),
    })
}
