//! The page of each error: what it means, why it comes, what to do, and an example. `docs/errors/` is printed from here, and the
//! daemon answers with the same pages at the `type` of an error.

use std::fmt::Write as _;

use axum::{
    extract::Path,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::http::fault::{Code, Fault};

/// Why an error comes, what to do about it, and a detail that it may carry.
struct Told {
    why: &'static str,
    todo: &'static str,
    example: &'static str,
}

const fn told(why: &'static str, todo: &'static str, example: &'static str) -> Told {
    Told { why, todo, example }
}

/// Explains an error.
#[utoipa::path(
    get,
    path = "/errors/{code}",
    tag = "interface",
    responses((status = 200, body = String, content_type = "text/markdown")),
    extensions(("x-codes" = json!(["unknown-route"])))
)]
pub async fn show(Path(code): Path<String>) -> Response {
    match Code::named(code.trim_end_matches(".md")) {
        Some(code) => ([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], page(code)).into_response(),
        None => Fault::new(Code::UnknownRoute, "there is no error of that name").into_response(),
    }
}

/// The page of one code.
pub fn page(code: Code) -> String {
    let Told { why, todo, example } = explained(code);
    let (token, status) = (code.as_str(), code.status());
    let body = json!({
        "type": format!("/errors/{token}"),
        "title": code.title(),
        "status": status.as_u16(),
        "detail": example,
        "code": token,
    });
    let mut page = format!("# `{token}`\n\n");
    // Writing to a text cannot fail.
    let _written = write!(
        page,
        "HTTP {status}: {}.\n\n## Why\n\n{why}\n\n## What to do\n\n{todo}\n\n## Example\n\n```json\n{body:#}\n```\n\n\
         All codes: [api.md](../api.md#errors).\n",
        code.title()
    );
    page
}

#[expect(
    clippy::too_many_lines,
    reason = "a table: one row for each code, and the compiler sees that none is missing"
)]
const fn explained(code: Code) -> Told {
    match code {
        Code::BadRequest => told(
            "The path holds something that is no name or no text, or the connection broke off in the middle of the body. Nothing was done.",
            "Mend what the detail names. Encode what stands in a path (`%2F` for a slash).",
            "GET /v1/jobs/%ff: Invalid URL: Cannot parse `id` with value `\\xff`",
        ),
        Code::BadFilter => told(
            "A query parameter is unknown, written twice, or not of its kind. An unknown one is refused so that a misspelt filter does not \
             quietly list everything.",
            "Mend the parameter that the detail names; each route's parameters are in [`openapi.json`](../openapi.json).",
            "limit: 0 is out of range: write 1 to 1000",
        ),
        Code::BadCursor => told(
            "`after`, or `Last-Event-ID`, names nothing that this ledger has. The ledger may have been replaced, or the text was cut.",
            "Give back `next` of the page before as it is, or leave it out to begin anew.",
            "after: there is no request 0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11",
        ),
        Code::Unauthorised => told(
            "The token is not one that this daemon knows, or one of an identity provider that is not accepted; the daemon's log says why. \
             What was presented is never logged.",
            "Send a token of this daemon: that of the local operator is in the file that the configuration names (`[http] token_file`), others \
             are made with `sluice token create`. For `sluice`, name the file with `--token-file`.",
            "the token is not accepted here: see the daemon's log for why",
        ),
        Code::TokenMissing => told(
            "The request carries no `Authorization` header.",
            "Send `Authorization: Bearer TOKEN`; for `sluice`, name the file with `--token-file`.",
            "there is no `Authorization: Bearer` header",
        ),
        Code::TokenMalformed => told(
            "The `Authorization` header is not `Bearer TOKEN`, or what stands there cannot be a token. It may have been cut or wrapped.",
            "Send the token whole, on one line, after the word `Bearer`.",
            "an `Authorization` header that is not `Bearer TOKEN`",
        ),
        Code::TokenExpired => told(
            "The token was valid and has reached its end.",
            "Have a new one made with `sluice token create`, and put it in the place of the old one.",
            "the token nightly has ended at 2026-11-20T10:00:00Z",
        ),
        Code::TokenRevoked => told(
            "The token was taken back by somebody, on the record.",
            "Ask an admin why; have a new one made with `sluice token create`.",
            "the token nightly was revoked",
        ),
        Code::RoleMissing => told(
            "The token is valid and has none of the roles that this route takes.",
            "See what the token may do with `GET /v1/me`; ask for a token with a role that the detail names.",
            "nightly has no role that may do this: it takes operator or admin",
        ),
        Code::OutsideReach => told(
            "The token is limited to teams or templates, and this is about others, or about all of them.",
            "See the limits with `GET /v1/me`.",
            "nightly is limited to teams or templates, and this is about all of them",
        ),
        Code::ActorMismatch => told(
            "A named token acts under its own name, and the body names somebody else as the one who acts or asks.",
            "Leave `actor` out or name the token; only a token with the role `delegate` names others, as a portal does.",
            "this token acts as nightly and not as ana: name nightly or leave it out; only a token with the role delegate names others",
        ),
        Code::TooManyFailures => told(
            "Too many wrong tokens came from this address, and the token of this request is wrong as well. A right one passes at any time.",
            "Give the right token to whatever sends this one. What is wrong with it is told again after `Retry-After` seconds.",
            "too many wrong tokens came from this address, and this one is wrong as well",
        ),
        Code::TokenConflict => told(
            "There is a valid token of this name already.",
            "See them with `sluice token list --all`; choose another name, or make it beside the other one.",
            "there is a valid token of the name nightly",
        ),
        Code::IssuerUnavailable => told(
            "The token is of the identity provider, whose keys could not be fetched. It was neither accepted nor refused.",
            "Try again; if it lasts, see the daemon's log for why the provider cannot be reached. Tokens of the daemon itself still work.",
            "the keys of https://id.example.com cannot be fetched",
        ),
        Code::UnknownRoute => told(
            "There is no such path. It may belong to a newer version of the daemon.",
            "Look for it in `/openapi.json`, and compare `sluice --version` with `version` of `GET /v1/overview`.",
            "GET /v1/job",
        ),
        Code::UnknownJob => told(
            "No job has this id, or an id that ends so.",
            "Look for the job with `GET /v1/jobs` or `sluice jobs`.",
            "no job has an id that ends with `9b8a11`",
        ),
        Code::UnknownRequest => told(
            "No request has this id, or an id that ends so. If its acceptance was answered with 201, this is another ledger.",
            "Look for it with `GET /v1/requests` or `sluice requests`, and see whether you ask the right daemon.",
            "no request has an id that ends with `9b8a11`",
        ),
        Code::UnknownSchedule => told(
            "No `[[schedule]]` of the configuration has this name.",
            "See the names with `GET /v1/schedules` or `sluice schedule list`.",
            "there is no schedule `weekly-releas`",
        ),
        Code::UnknownHook => told(
            "No `[[hook]]` of the configuration has the name that ends the path.",
            "Mend the address at the sender: `/v1/hooks/` and the name of the hook. Nothing was kept: send it again from there.",
            "there is no hook `githab`",
        ),
        Code::SignatureMissing => told(
            "The delivery does not carry the header that proves where it comes from. Nothing of it was kept.",
            "Set the hook's secret at the sender as well, and see that a proxy between does not take headers away.",
            "the header `x-hub-signature-256` is missing",
        ),
        Code::SignatureWrong => told(
            "The signature was made with another secret, or the body was changed on its way. Nothing of it was kept.",
            "Set the same secret at both ends; while it is replaced, name both in `secrets`. Then send the delivery again from the sender.",
            "the signature in `x-hub-signature-256` fits none of the secrets",
        ),
        Code::SignatureStale => told(
            "The time in the signature is too far from the clock here: the delivery was held up, sent again by somebody who has seen it, or \
             one of the clocks is wrong. Nothing of it was kept.",
            "See that both clocks are right; `max_age_seconds` of the hook says how far they may be apart. Then send it anew from the sender.",
            "the delivery was signed at 2026-11-21T10:00:00Z, 900000 ms away from our time; at most 300000 ms are allowed",
        ),
        Code::TooManySignatures => told(
            "Too many deliveries with a wrong signature came from this address; further wrong ones are not looked at more closely for a while. \
             Right ones are let in all the time.",
            "Stop whatever sends them, or set the right secret there.",
            "too many wrong signatures came from this address",
        ),
        Code::MalformedPayload => told(
            "The delivery is signed as it should be, and its body is no JSON. It is kept with its reason; nothing else was done.",
            "Let the sender send JSON: at GitHub the content type of the webhook is `application/json`. See what came with \
             `sluice deliveries show`.",
            "the payload is no JSON: kept as delivery 0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11",
        ),
        Code::UnknownDelivery => told(
            "The id is not one of a delivery, or of one that was removed after the days for which they are kept.",
            "See them with `sluice deliveries list`.",
            "there is no delivery whose id ends with `3c9b`",
        ),
        Code::UnknownItem => told(
            "The name is not one of those that `sluice desk list --all` shows: it is written wrongly, or the thing was done with meanwhile.",
            "Look at the desk again.",
            "there is nothing `5f2c09a1` on the desk: it was done with, or see `sluice desk list --all`",
        ),
        Code::UnknownNotice => told(
            "No notice has this id, or an id that ends so.",
            "Look for it with `sluice notify list` or `GET /v1/notices`.",
            "there is no notice whose id ends with `3c9b8a11`",
        ),
        Code::UnknownReceiver => told(
            "Neither `[notices.webhook]` nor a `[[notices.sink]]` of the configuration of the daemon that answers has this name.",
            "Write the name as it stands in the configuration; `log` is always there.",
            "there is no receiver `slack-platfrom`: did you mean `slack-platform`?",
        ),
        Code::NoticeConflict => told(
            "Only what was given up can be tried again: what waits is tried by itself, and what was delivered is not sent twice.",
            "See with `sluice notify show ID` how it stands at each receiver.",
            "notice 0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11 was not given up anywhere",
        ),
        Code::CheckpointConflict => told(
            "There is no key to sign with, or the checkpoint is in the ledger and could not be copied to its file.",
            "Make a key with `sluice audit key new --out FILE` and name it as `[audit] key`; or see to the file that the detail names: what it \
             lacks is written with the next checkpoint.",
            "the checkpoint is in the ledger, but not in the file: /mnt/elsewhere/checkpoints.jsonl: Permission denied (os error 13)",
        ),
        Code::ArchiveConflict => told(
            "A document is not in the ledger, its job may still need it, or the digest is not that of what the ledger holds. None of the \
             documents was taken out.",
            "Give the same `sluice audit archive` again: it reads the documents anew.",
            "the file of prompt/0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11 is not what the ledger holds: write it again",
        ),
        Code::PersonAtWork => told(
            "A redaction was asked for, and the name would be written again: the configuration names the person, or jobs in the person's \
             name have not ended.",
            "Take the person out of pools, people and identities and restart; let their jobs end, or cancel them; then ask again.",
            "the configuration names the person in [[pool]] platform-reviewers: take the name out there and restart first",
        ),
        Code::UnknownBudget => told(
            "No limit of that key is declared, and none was ever used. A limit that nobody checks would be a false comfort, so it is not set.",
            "See the keys with `GET /v1/budgets`; declare a new one in the configuration.",
            "there is no budget slots/repository/acme/api",
        ),
        Code::UnknownBreaker => told(
            "No breaker has this id. One appears with the first failure that it counts.",
            "See the ids with `GET /v1/breakers` or `sluice breaker list`.",
            "there is no breaker `dependency-upgrade@1/gpt-5.2`",
        ),
        Code::NoWaves => told(
            "The request was accepted without waves: all of it may start at once.",
            "Ask what its jobs wait for with `GET /v1/jobs/ID/why`.",
            "request 0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11 has no waves",
        ),
        Code::MethodNotAllowed => told(
            "The path is there, but not for this method.",
            "Use a method of the `Allow` header of the answer.",
            "DELETE /v1/requests",
        ),
        Code::AmbiguousId => told(
            "The characters given are the end of several ids.",
            "Give more of the id, or all of it.",
            "several jobs have ids that end with `8a11`: give more of it",
        ),
        Code::IdempotencyConflict => told(
            "This idempotency key was used for a request with another body, or the header and the body name different keys. A key means one \
             request for ever: the new body was not accepted.",
            "Use a new key for a new request. To learn what the key stands for, send the first body again: the answer is the first one.",
            "the idempotency key `nightly-2026-11-20` was used for another request",
        ),
        Code::TemplateChanged => told(
            "The file of this template version differs from what it was at its first use. A released version never changes, or the record \
             would not say any more what was done.",
            "Undo the change, or give it a new version. `sluice template diff NAME@VERSION` shows what is different.",
            "dependency-upgrade@1 is not what it was at its first use: give the change a new version",
        ),
        Code::FreezeConflict => told(
            "There is a freeze of this name already, it cannot be lifted as it stands, or whoever asks for an exception is the requester of \
             what it would let through.",
            "See what there is with `GET /v1/freezes`; ask somebody else for the exception.",
            "there is a freeze `year-end` already",
        ),
        Code::PlanChanged => told(
            "Planned again, the request gives something else than what was looked at: repositories, prompts, models or budgets have changed. \
             Nothing was accepted.",
            "Look at `problems`, plan again, and apply that plan.",
            "acme/api: its prompt is another one now",
        ),
        Code::BodyTooSlow => told(
            "The body did not arrive within ten seconds. Nothing was done.",
            "Send it again; look at what is between you and the daemon.",
            "the body did not arrive within 10 s",
        ),
        Code::RateLimited => told(
            "This token has sent more requests than `[http] requests_per_second` allows, and has used up `burst`. Other tokens are not \
             affected, and nothing was done.",
            "Wait for `Retry-After` seconds. To learn of changes read `GET /v1/events` instead of asking again and again.",
            "more than 1000 requests a second with this token",
        ),
        Code::UnknownIdentity => told(
            "There is no identity of that name in the configuration, no job goes by it, and its gate was never closed.",
            "Look for it with `GET /v1/identities` or `sluice identity list`.",
            "there is no identity `mian`: did you mean `main`?",
        ),
        Code::UnknownToken => told(
            "No token has that id or that name.",
            "Look for it with `GET /v1/tokens` or `sluice token list`.",
            "there is no token nightly: see `sluice token list`",
        ),
        Code::UnknownFreeze => told(
            "There is no freeze of that name: neither in the freezes file nor one that people made.",
            "Look for it with `GET /v1/freezes` or `sluice freeze list`.",
            "there is no freeze incident-42: see `sluice freeze list`",
        ),
        Code::UnknownTemplate => told(
            "There is no template of that name, or not in that version.",
            "Look for it with `GET /v1/templates` or `sluice template list`.",
            "there is no template `dependency-upgrad`: did you mean `dependency-upgrade`?",
        ),
        Code::IllegalEvent => told(
            "The state of the job, the request or the gate does not allow this, for example the cancelling of a job that has ended. Nothing \
             was changed.",
            "Look at its state; the detail names it. What is allowed in which state is in [lifecycle.md](../lifecycle.md).",
            "job 0193d6f0-6a00-7c11-8f00-2f0e549b8a11 is succeeded: it cannot be cancelled",
        ),
        Code::BodyTooLarge => told(
            "The body is larger than 8 MiB, or a webhook's larger than 1 MiB. Nothing of it was kept.",
            "Send less: name a template instead of sending texts, or split the request. Let a hook send only the events that are mapped.",
            "length limit exceeded",
        ),
        Code::UnsupportedMediaType => told(
            "The `Content-Type` is missing, or names a form that this route does not read.",
            "Send JSON with `Content-Type: application/json`; a request may also be TOML with `application/toml`.",
            "the Content-Type says text/plain: send application/json or application/toml",
        ),
        Code::InvalidRequest => told(
            "The body cannot be read as JSON, names an unknown field, or says something that is not acceptable. `problems` lists \
             everything that is wrong at once, each with `what`, `at` (a line or a field) and often a `hint`. Nothing was kept.",
            "Mend what `problems` names and send it again; the same idempotency key may be used.",
            "body:1:24: unknown key `requster` (bad-request)",
        ),
        Code::LedgerUnreadable => told(
            "The ledger answered with something that this version cannot read. It may have been written by a newer one, or be damaged.",
            "Run `sluice doctor` and `sluice audit verify`; compare the versions of all processes.",
            "the ledger holds something unreadable: request 0193d6f0-5d7c-7b57-9d4c-4a4f3c9b8a11 is missing",
        ),
        Code::Internal => told(
            "A mistake in this program.",
            "Report it, with the daemon's log of that moment.",
            "GET /v1/overview",
        ),
        Code::LedgerUnavailable => told(
            "The database does not answer. While it is away nothing is accepted and nothing is started. A write may have been done although \
             its answer was lost.",
            "Try again. Send a request with the same idempotency key: it is accepted once. See [the runbook](../../ops/runbooks/ledger-down.md).",
            "the ledger is unavailable: pool timed out while waiting for an open connection",
        ),
        Code::ProviderUnavailable => told(
            "What must be known of the repositories could not be asked. Nothing was kept.",
            "Try again after `Retry-After` seconds.",
            "the provider could not be asked: rate limited; try again after 2026-11-20T10:05:00Z",
        ),
        Code::TooManyReaders => told(
            "As many as are let read the events of this daemon. A reader costs memory, so their number has a bound.",
            "Try again after `Retry-After` seconds. Let one reader serve several of your programs.",
            "2000 read the events already",
        ),
        Code::TimedOut => told(
            "There was no answer within 30 seconds. What was asked for may have been done. A gate that was to be closed is closed, but not \
             acknowledged: a start may still be on its way.",
            "Look whether it was done, then ask again. A request is sent again with the same idempotency key.",
            "no answer within 30 s; what was asked for may have been done: look before asking again",
        ),
    }
}
