//! An attempt as an in-toto statement, in a DSSE envelope when it is signed. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{
    job::time::Timestamp,
    ledger::{
        rows::{AttemptRow, JobRow, RequestRow},
        signing::Signer,
    },
};

/// What is said of the subject; docs/schemas/attempt.schema.json describes it.
pub const PREDICATE_TYPE: &str = "urn:sluicegate:predicate:attempt:v1";
/// Of a signed statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// One line: the statement, or its envelope.
pub fn line(request: &RequestRow, job: &JobRow, attempt: &AttemptRow, signer: Option<&Signer>) -> String {
    let statement = statement(request, job, attempt).to_string();
    let Some(signer) = signer else { return format!("{statement}\n") };
    let signed = signer.sign(&pre_authenticated(PAYLOAD_TYPE, statement.as_bytes()));
    let envelope = json!({
        "payloadType": PAYLOAD_TYPE,
        "payload": STANDARD.encode(&statement),
        "signatures": [{ "keyid": signer.key_id(), "sig": signed }],
    });
    format!("{envelope}\n")
}

/// What a DSSE signature is over.
pub fn pre_authenticated(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// The commit that the attempt left, or, where none is known, the prompt that it was given: a statement is always about something
/// that has a digest.
fn subject(job: &JobRow, attempt: &AttemptRow) -> Value {
    let pull = job.pull().filter(|_| job.attempt_id == Some(attempt.id));
    match pull {
        Some(pull) => {
            let page = format!("https://github.com/{}/pull/{}", job.repository, pull.number);
            json!([{ "name": pull.html_url.unwrap_or(page), "digest": { "gitCommit": pull.head_sha } }])
        }
        None => json!([{ "name": format!("prompt/{}", job.id), "digest": { "sha256": job.prompt_digest } }]),
    }
}

fn statement(request: &RequestRow, job: &JobRow, attempt: &AttemptRow) -> Value {
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let newest = job.attempt_id == Some(attempt.id);
    let pull = job.pull().filter(|_| newest);
    let template = format!("{}@{}", request.template, request.template_version);
    let inputs: Value = serde_json::from_str(&request.inputs_json).unwrap_or_default();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject(job, attempt),
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": "urn:sluicegate:build:agent-task:v1",
                "externalParameters": {
                    "repository": job.repository, "template": template, "inputs": inputs,
                    "request": request.id, "requester": request.requester, "team": request.team,
                },
                "internalParameters": {
                    "job": job.id, "attempt": attempt.id, "number": attempt.number, "identity": attempt.identity,
                    "model": attempt.model, "planDigest": request.plan_digest, "nonce": attempt.nonce,
                },
                "resolvedDependencies": [
                    { "uri": format!("urn:sluicegate:template:{template}"), "digest": { "sha256": request.template_digest } },
                    { "uri": format!("urn:sluicegate:prompt:{}", job.id), "digest": { "sha256": job.prompt_digest } },
                ],
            },
            "runDetails": {
                "builder": { "id": "urn:sluicegate:agent:github" },
                "metadata": {
                    "invocationId": attempt.task_id, "invocationUrl": attempt.task_url,
                    "intendedOn": attempt.intent_at.to_string(), "startedOn": text(attempt.started_at),
                    "finishedOn": text(attempt.ended_at),
                },
            },
            "outcome": {
                "endReason": attempt.end_reason, "remoteState": attempt.remote_state, "modelUsed": attempt.model_used,
                "nanoCredits": attempt.nano_credits, "newestAttempt": newest, "jobState": job.state,
                "reviewer": job.reviewer.as_ref().filter(|_| newest),
                "pull": pull.as_ref().map(|pull| pull.number),
                "changedFiles": pull.as_ref().and_then(|pull| pull.changed_files),
                "merged": pull.as_ref().map(|pull| pull.merged),
                "mergedBy": pull.as_ref().and_then(|pull| pull.merged_by.clone()),
            },
        },
    })
}
