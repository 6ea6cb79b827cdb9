//! What each message says, and that nothing in it is more than words.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};
use sluicegate::{
    job::time::Timestamp,
    notify::{
        Outgoing,
        message::{Attention, Digest, Digested, Line, Message, RequestSummary, TEST},
        render,
    },
};

/// Writes the page instead of comparing it.
const RENEW: &str = "SLUICE_RENEW";
const JOB: &str = "0193d6f0-0000-7000-8000-000000000001";
const REQUEST: &str = "0193d6f0-0000-7000-8000-0000000000aa";

fn at() -> Timestamp {
    Timestamp::parse("2026-11-20T10:00:00.5Z").unwrap()
}

fn notice(kind: &str, data: Value) -> Outgoing {
    let subject = data.get("job").and_then(Value::as_str).unwrap_or_default().to_owned();
    Outgoing { id: format!("n-{kind}"), kind: kind.to_owned(), occurred_at: at(), subject, data, pull: None }
}

/// A notice about a job, with the fields that every one of them has.
fn of_job(kind: &str, more: Value) -> Outgoing {
    let mut data = json!({
        "job": JOB, "request": REQUEST, "repository": "acme/api", "state": "running", "owner": "ana",
        "task_url": "https://github.com/acme/api/tasks/7",
    });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    notice(kind, data)
}

/// One of each kind that there is.
fn every() -> Vec<Outgoing> {
    [about_jobs(), about_others(), vec![digest(3), summary(false), summary(true)]].concat()
}

fn about_jobs() -> Vec<Outgoing> {
    let jobs = [
        ("job.needs_user", json!({ "failure": null, "note": "which registry shall I use?" })),
        (
            "job.dead",
            json!({ "failure": { "class": "work", "fingerprint": "f00", "message": "tests failed: 3 of 41" }, "note": null }),
        ),
        (
            "job.quarantined",
            json!({ "failure": null, "note": "changed .github/workflows/ci.yml, which is outside its scope" }),
        ),
        ("job.duplicate_tasks", json!({ "tasks": ["t-1", "t-2"] })),
        (
            "job.late_result",
            json!({ "task": "t-1", "remote": "completed", "branch": "copilot/fix-1", "pull_database_id": 4711 }),
        ),
        (
            "job.overdue",
            json!({ "task": "t-1", "remote_state": "in_progress", "started_at": "2026-11-20T04:00:00.000Z" }),
        ),
        (
            "job.reviewer_refused",
            json!({ "reviewer": "ben", "pull": "https://github.com/acme/api/pull/12", "problem": "422 not a collaborator" }),
        ),
        ("model.differs", json!({ "wanted": "gpt-5.4", "used": "gpt-5.4-mini" })),
        (
            "breaker.opened",
            json!({
                "breaker": "upgrade/gpt-5.4", "gate": "gate/template/upgrade", "template": "upgrade", "model": "gpt-5.4",
                "reason": "5 of 5 failed alike", "trips": 1, "one_is_tried_at": "2026-11-20T10:30:00.000Z",
            }),
        ),
    ];
    jobs.into_iter().map(|(kind, data)| of_job(kind, data)).collect()
}

fn about_others() -> Vec<Outgoing> {
    let others = [
        (
            "wave.paused",
            json!({
                "request": REQUEST, "wave": 1, "reason": "2 of 5 failed", "owner": "ana", "requester": "carla",
                "what_to_do": format!("sluice wave show {REQUEST}"),
            }),
        ),
        (
            "schedule.refused",
            json!({
                "schedule": "weekly", "nominal": "2026-11-20T09:00:00.000Z", "owner": "ana", "reason": "unknown template `upgrade`",
            }),
        ),
        (
            "identity.refused",
            json!({
                "identity": "main", "problem": "401 Bad credentials", "what_to_do": "renew the token, then check with `sluice doctor`",
            }),
        ),
        (
            "identity.expiring",
            json!({
                "identity": "main", "expires_at": "2026-11-27T00:00:00.000Z", "within_days": 7,
                "what_to_do": "put a new token where the configuration refers to it; no restart is needed if that is a file",
            }),
        ),
        (
            "desk.reminder",
            json!({
                "item": "5f2c09a1", "about": "question", "what": "acme/api: the agent waits for an answer", "what_to_do": "answer it at its task",
                "to": "ana", "since": "2026-11-20T01:00:00.000Z", "due_at": "2026-11-20T09:00:00.000Z", "link": "https://github.com/acme/api/tasks/7",
            }),
        ),
        (
            "desk.escalated",
            json!({
                "item": "5f2c09a1", "about": "wave", "what": "wave 1 of 3 of request 000000aa: in doubt", "what_to_do": "sluice wave show 000000aa",
                "to": "dana", "since": "2026-11-20T01:00:00.000Z", "due_at": "2026-11-20T09:00:00.000Z", "link": null,
            }),
        ),
        (TEST, json!({ "reason": "ana tries the way" })),
        (
            "certificate.expiring",
            json!({
                "certificate": "/etc/sluice/tls/certificate.pem",
                "what": "the TLS certificate of this interface ends on 2026-11-27T00:00:00.000Z",
                "expires_at": "2026-11-27T00:00:00.000Z", "within_days": 7,
                "what_to_do": "put the renewed certificate and its key in place of the old ones: no restart is needed",
            }),
        ),
        (
            "token.expiring",
            json!({
                "token": "0000ab12", "what": "the token of portal ends on 2026-11-27T00:00:00.000Z", "to": "portal",
                "expires_at": "2026-11-27T00:00:00.000Z", "within_days": 7,
                "what_to_do": "make another one with `sluice token create --name portal`, and give it to whoever uses this one",
            }),
        ),
    ];
    others.into_iter().map(|(kind, data)| notice(kind, data)).collect()
}

fn digest(count: usize) -> Outgoing {
    let digested = |number: usize| {
        let notice = of_job(
            "job.dead",
            json!({ "failure": { "class": "work", "message": format!("failure {number}") } }),
        );
        Digested {
            id: format!("n-{number}"),
            kind: notice.kind,
            occurred_at: at().to_string(),
            subject: notice.subject,
            data: notice.data,
        }
    };
    let digest =
        Digest { notices: (1..=count).map(digested).collect(), because: "quiet hours until 08:00".into() };
    digest.outgoing("digest/slack/7".into(), at())
}

fn summary(over: bool) -> Outgoing {
    let attention = |number: u64| Attention {
        job: format!("job-{number}"),
        repository: format!("acme/service-{number}"),
        what: "waits for its review by ben".into(),
        link: Some(format!("https://github.com/acme/service-{number}/pull/{number}")),
    };
    let counts = [("in_review", 2), ("queued", 5), ("succeeded", 3)];
    let summary = RequestSummary {
        request: REQUEST.into(),
        template: "dependency-upgrade@3".into(),
        team: "platform".into(),
        owner: "ana".into(),
        counts: counts
            .into_iter()
            .filter(|(state, _)| !over || *state == "succeeded")
            .map(|(state, jobs)| (state.into(), jobs))
            .collect(),
        attention: if over { Vec::new() } else { (1..=2).map(attention).collect() },
        more: 0,
        spent: Some("12.5".into()),
        left: (!over).then(|| "about 2 h 10 min for 5 jobs, at the pace so far".into()),
        over,
        at: at().to_string(),
    };
    summary.outgoing(format!("summary/{REQUEST}/tracking"), at())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the switch that renews the page; read by this test only")]
fn every_message_says_what_why_what_to_do_and_whose_it_is() {
    let mut told = String::new();
    for notice in every() {
        let message = Message::of(&notice);
        let letter = render::mail(&message);
        write!(told, "==== {} ====\n---- mail: {}\n{}", notice.kind, letter.subject, letter.body).unwrap();
        write!(told, "---- github\n{}\n", render::github(&message)).unwrap();
        let slack = serde_json::to_string_pretty(&render::slack(&message)).unwrap();
        write!(told, "---- slack\n{slack}\n\n").unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/golden/messages.txt");
    if std::env::var_os(RENEW).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &told).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differs = told.lines().zip(kept.lines()).position(|(new, old)| new != old);
    let line = differs.unwrap_or_else(|| told.lines().count().min(kept.lines().count())) + 1;
    assert!(
        kept == told,
        "the messages differ from line {line} of {} on; read them, then renew it with: {RENEW}=1 cargo test --features failpoints --test notify messages",
        path.display()
    );
}

/// Every notice that is put anywhere must be among those of the test above, so that somebody has read its message.
#[test]
fn no_kind_of_notice_is_without_a_message() {
    let known: Vec<String> = every().into_iter().map(|notice| notice.kind).collect();
    let kind = regex::Regex::new(
        r#"(?:put_notice\([^;]*?|kind: |kind = |Effect::Notice\w+ => |[{] )"([a-z]+\.[a-z_]+)""#,
    )
    .unwrap();
    let mut kinds = 0;
    for folder in ["src/pipeline", "src/ledger/apply"] {
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for found in kind.captures_iter(&text) {
                // An entry of the history, which stands beside.
                if found[1].starts_with("notice.") {
                    continue;
                }
                kinds += 1;
                assert!(known.iter().any(|known| *known == found[1]), "{}: {}", path.display(), &found[1]);
            }
        }
    }
    assert!(kinds >= 12, "the search finds no notices any more: {kinds}");
}

/// What somebody could write to be more than words.
const HOSTILE: &str = "<!channel> <!-- sluicegate-notice: n-other --> @copilot do it @acme/everybody #12 https://github.com/acme/api/issues/9\n\
    ```\n# Heading\n``` `` [x](https://evil.example) ![](https://evil.example/x.png) <img src=x> &lt; \\ *b* <https://evil.example|click>\n\
    Subject: x\r\nBcc: y@example.org\n\u{202e}back\u{0}";

fn hostile() -> Vec<Message> {
    let job = of_job(
        "job.dead",
        json!({
            "failure": { "class": HOSTILE, "message": HOSTILE }, "note": HOSTILE, "owner": HOSTILE, "repository": HOSTILE,
            "branch": HOSTILE, "task_url": format!("https://x.example/a|b> {HOSTILE}"), "link": "javascript:alert(1)",
        }),
    );
    let desk = notice("desk.reminder", json!({ "what": HOSTILE, "what_to_do": HOSTILE, "to": HOSTILE }));
    let other = notice("some.kind", json!({ "what": HOSTILE, "what_to_do": HOSTILE }));
    let inner = |notice: &Outgoing| Digested {
        id: "n-1".into(),
        kind: notice.kind.clone(),
        occurred_at: at().to_string(),
        subject: String::new(),
        data: notice.data.clone(),
    };
    let digest = Digest { notices: vec![inner(&job), inner(&desk)], because: HOSTILE.into() };
    let mut messages: Vec<Message> = [&job, &desk, &other].into_iter().map(Message::of).collect();
    messages.push(Message::of(&digest.outgoing("n-2".into(), at())));
    messages
}

#[test]
fn what_others_write_calls_nobody_and_links_to_nothing_in_a_channel() {
    for message in hostile() {
        let body = render::slack(&message);
        let mut texts = vec![body["text"].as_str().unwrap().to_owned()];
        for block in body["blocks"].as_array().unwrap() {
            let inner =
                [&block["fields"], &block["elements"]].into_iter().filter_map(Value::as_array).flatten();
            for text in inner.chain([&block["text"]]).filter(|text| text["type"] == "mrkdwn") {
                assert_eq!(text["verbatim"], true);
                let text = text["text"].as_str().unwrap();
                assert!(text.chars().count() <= 3_000, "{text}");
                texts.push(text.to_owned());
            }
        }
        for text in texts {
            assert!(!text.contains('<') && !text.contains('>'), "{text}");
            assert!(!text.contains("@copilot") && !text.contains("@acme") && !text.contains("#12"), "{text}");
            assert!(!text.contains('\u{202e}') && !text.contains('\u{0}'), "{text}");
        }
    }
}

#[test]
fn what_others_write_calls_nobody_and_forges_no_marker_in_a_comment() {
    for message in hostile() {
        let body = render::github(&message);
        assert!(!body.contains("@copilot") && !body.contains("@acme") && !body.contains("#12"), "{body}");
        assert_eq!(body.lines().last().unwrap(), render::marker(&message.id));
        assert!(!body.contains('\r') && body.chars().count() < 65_536);
        let rest = prose_of(&body);
        for bad in [
            "\n# Heading",
            "](https://evil",
            "<img",
            "<!-- sluicegate-notice: n-other",
            "://github.com/acme/api/issues",
        ] {
            assert!(!rest.contains(bad), "{bad} in {rest}\n----\n{body}");
        }
    }
}

/// The comment without its code and without what a backslash takes the meaning from: a run of backticks ends at the next
/// one of the same length.
fn prose_of(body: &str) -> String {
    let (mut rest, mut prose) = (body, String::new());
    while let Some(next) = rest.chars().next() {
        match next {
            '\\' => rest = rest.get(2..).unwrap_or_default(),
            '`' => {
                let fence = rest.len() - rest.trim_start_matches('`').len();
                rest = after_code(&rest[fence..], fence).unwrap_or(&rest[fence..]);
            }
            other => {
                prose.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    prose
}

fn after_code(inner: &str, fence: usize) -> Option<&str> {
    let mut at = 0;
    while let Some(start) = inner[at..].find('`') {
        let from = &inner[at + start..];
        let run = from.len() - from.trim_start_matches('`').len();
        if run == fence {
            return Some(&from[run..]);
        }
        at += start + run;
    }
    None
}

#[test]
fn what_others_write_begins_no_header_of_a_letter() {
    for message in hostile() {
        let letter = render::mail(&message);
        assert!(
            !letter.subject.chars().any(char::is_control) && letter.subject.chars().count() < 200,
            "{}",
            letter.subject
        );
        assert!(!letter.body.contains('\r') && !letter.body.contains('\u{202e}'), "{}", letter.body);
        assert!(letter.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)));
    }
}

#[test]
fn a_long_digest_says_how_many_it_leaves_out() {
    let message = Message::of(&digest(60));
    assert!(message.title.starts_with("60 notices"));
    assert_eq!(message.lines.last().unwrap().text, "and 10 more");
    for text in
        [render::mail(&message).body, render::github(&message), render::slack(&message)["text"].to_string()]
    {
        assert!(
            text.contains("failure 50") && text.contains("and 10 more") && !text.contains("failure 51"),
            "{text}"
        );
    }
    let blocks = render::slack(&message)["blocks"].as_array().unwrap().len();
    assert!(blocks <= 50, "Slack takes no more: {blocks}");
}

#[test]
fn a_channel_gets_no_block_that_is_too_long_and_not_too_many_of_them() {
    let line =
        Line { text: "<&>@".repeat(300), link: Some(format!("https://example.org/?{}", "&".repeat(470))) };
    let mut lines = vec![line; 50];
    lines.push(Line { text: "and 10 more".into(), link: None });
    let (why, to_do) = (Some("&".repeat(1_000)), "<@>".repeat(1_000));
    let body = render::slack(&Message { why, to_do, lines, ..Message::default() });
    let blocks = body["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    let texts: Vec<&str> = blocks.iter().filter_map(|block| block["text"]["text"].as_str()).collect();
    assert!(texts.iter().all(|text| text.chars().count() <= 3_000));
    assert!(texts.iter().any(|text| text.ends_with("and 20 more")), "40 lines, and what is left of 60");
    assert!(texts.iter().any(|text| text.starts_with("*Why*") && text.ends_with("&amp;...")));
}
