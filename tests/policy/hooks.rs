//! Deliveries through the public interface: which are let in, what they are known by, and what hostile ones become.

use ring::hmac;
use secrecy::SecretString;
use serde_json::{Value, json};
use sluicegate::{
    job::time::{Millis, Timestamp},
    policy::{
        Code,
        hook::{
            Delivery, Hook, Outcome, Written, map,
            signature::{HookFault, Keys, Verified, verify},
            written,
        },
        standard_webhooks::SigningKey,
    },
};

const NOW: Timestamp = Timestamp(1_795_168_800_000);
const OLD: &str = "the-old-secret-of-a-webhook";
const NEW: &str = "the-new-secret-of-a-webhook";
const STANDARD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const RULE: &str =
    "[[on]]\ntemplate = \"t\"\nrepositories = \"repository.full_name\"\nrequester = \"sender.login\"\n";

fn hook(text: &str) -> Hook {
    let written: Written<String> = toml::from_str(text).unwrap();
    written::read(&written, str::to_owned).unwrap()
}

fn of_kind(kind: &str, more: &str) -> Hook {
    hook(&format!("name = \"x\"\nkind = \"{kind}\"\nsecrets = [\"a\"]\n{more}\n{RULE}"))
}

fn keys(hook: &Hook, secrets: &[&str]) -> Keys {
    let mut keys = Keys::default();
    for secret in secrets {
        keys.add(&hook.proof, &SecretString::from(*secret)).unwrap();
    }
    keys
}

fn judge(
    hook: &Hook,
    secrets: &[&str],
    headers: &[(&str, &str)],
    body: &[u8],
) -> Result<Verified, HookFault> {
    let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    verify(hook, &keys(hook, secrets), header, body, NOW)
}

fn code(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    sluicegate::policy::request::hex(tag.as_ref())
}

#[test]
fn the_published_examples_of_github_and_atlassian_are_let_in() {
    for (kind, header, body, code) in [
        (
            "github",
            "x-hub-signature-256",
            "Hello, World!",
            "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        ),
        (
            "jira",
            "x-hub-signature",
            "Hello World!",
            "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
        ),
    ] {
        let hook = of_kind(kind, "");
        let value = format!("sha256={code}");
        let verified =
            judge(&hook, &["It's a Secret to Everybody"], &[(header, &value)], body.as_bytes()).unwrap();
        // Genuine, and yet nothing that can be read: it is known who sent it, so it is kept.
        let problem = verified.payload.unwrap_err();
        assert_eq!(problem.code, Code::BadPayload);
        assert!(problem.what.starts_with("the body is not JSON: expected value at line 1 column 1"));
    }
}

#[test]
fn a_delivery_of_github_is_known_by_its_headers_and_its_bytes() {
    let hook = of_kind("github", "");
    let body = br#"{"action":"labeled"}"#;
    let signature = format!("sha256={}", code(OLD, body));
    let mut headers = vec![("x-hub-signature-256", signature.as_str()), ("x-github-event", "issues")];
    let named = |headers: &[(&str, &str)]| judge(&hook, &[NEW, OLD], headers, body).unwrap();
    let bytes = sluicegate::policy::request::sha256(body);
    assert_eq!(named(&headers).delivery_id, bytes);
    headers.push(("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"));
    let verified = named(&headers);
    assert_eq!(verified.delivery_id, "72d3162e-cc78-11e3-81ab-4c9367dc0958");
    assert_eq!((verified.event.as_str(), verified.signed_at), ("issues", None));
    assert_eq!(verified.fingerprint, Some(bytes.clone()));
    // The second of two secrets: the first one is not in use yet.
    assert_eq!(verified.secret, 1);
    for odd in ["", "a\nb", "Grüße", &"x".repeat(201)] {
        headers.pop();
        headers.push(("x-github-delivery", odd));
        assert_eq!(named(&headers).delivery_id, bytes, "{odd}");
    }
}

#[test]
fn a_wrong_signature_is_refused_and_says_only_where_it_stood() {
    let hook = of_kind("github", "");
    let right = format!("sha256={}", code(OLD, b"{}"));
    let header = "x-hub-signature-256";
    assert!(judge(&hook, &[OLD], &[(header, &right)], b"{}").is_ok());
    assert_eq!(judge(&hook, &[OLD], &[], b"{}").unwrap_err(), HookFault::Missing(header.to_owned()));
    let sha1 = "sha1=da39a3ee5e6b4b0d3255bfef95601890afd80709";
    for (secrets, value, body) in [
        (&[NEW][..], right.as_str(), "{}"),
        (&[], &right, "{}"),
        (&[OLD], &right, "{ }"),
        (&[OLD], &right[..70], "{}"),
        (&[OLD], &right[7..69], "{}"),
        (&[OLD], "", "{}"),
        (&[OLD], "sha256=", "{}"),
        (&[OLD], sha1, "{}"),
        (&[OLD], "sha256=ä", "{}"),
    ] {
        let fault = judge(&hook, secrets, &[(header, value)], body.as_bytes()).unwrap_err();
        assert_eq!(
            (&fault, fault.code()),
            (&HookFault::Wrong(header.to_owned()), "signature-wrong"),
            "{value}"
        );
        assert!(!fault.to_string().contains("da39") && !fault.to_string().contains(OLD));
    }
}

#[test]
fn linear_is_let_in_only_when_the_time_that_it_signed_is_ours() {
    let hook = of_kind("linear", "");
    let sent = |time: Value| {
        let body = json!({ "type": "Issue", "webhookTimestamp": time }).to_string();
        let signature = code(OLD, body.as_bytes());
        judge(&hook, &[OLD], &[("linear-signature", &signature), ("linear-delivery", "d-7")], body.as_bytes())
    };
    for apart in [0, 60_000, -60_000] {
        let verified = sent(json!(NOW.0 + apart)).unwrap();
        assert_eq!((verified.event.as_str(), verified.delivery_id.as_str()), ("Issue", "d-7"));
        assert_eq!(verified.signed_at, Some(Timestamp(NOW.0 + apart)));
    }
    for apart in [60_001, -60_001, i64::MAX - NOW.0] {
        let fault = sent(json!(NOW.0 + apart)).unwrap_err();
        assert_eq!(fault.code(), "signature-stale");
        assert!(fault.to_string().contains("away from our time; at most 1 min are allowed"), "{fault}");
    }
    for time in [Value::Null, json!("1795168800000"), json!(1.5), json!(u64::MAX)] {
        assert_eq!(sent(time).unwrap_err(), HookFault::Undated("webhookTimestamp".to_owned()));
    }
}

#[test]
fn standard_webhooks_are_let_in_within_five_minutes_and_under_their_signed_name_alone() {
    let hook = of_kind("generic", "signature = \"standard-webhooks\"");
    let key = SigningKey::parse(&STANDARD.into()).unwrap();
    let body = br#"{"type":"release.wanted"}"#;
    let sent = |id: &str, told: &str, seconds: i64| {
        let signature = format!("v1,AAAA {}", key.sign("msg_1", seconds, body));
        let headers = [("webhook-id", id), ("webhook-timestamp", told), ("webhook-signature", &signature)];
        judge(&hook, &[STANDARD], &headers, body)
    };
    let now = NOW.0 / 1_000;
    for seconds in [now, now - 300, now + 300] {
        let verified = sent("msg_1", &seconds.to_string(), seconds).unwrap();
        assert_eq!((verified.delivery_id.as_str(), verified.event.as_str()), ("msg_1", "release.wanted"));
        // The name is signed: there is nothing to be found out by the bytes.
        assert_eq!(verified.fingerprint, None);
    }
    for seconds in [now - 301, now + 301, i64::MAX] {
        let fault = sent("msg_1", &seconds.to_string(), seconds).unwrap_err();
        assert!(matches!(fault, HookFault::Stale { most: Millis(300_000), .. }), "{fault}");
    }
    assert_eq!(sent("msg_2", &now.to_string(), now).unwrap_err().code(), "signature-wrong");
    assert_eq!(sent("msg_1", &(now + 1).to_string(), now).unwrap_err().code(), "signature-wrong");
    for told in ["", "now", "-1", "+1795168800", "1795168800.0", "99999999999999999999"] {
        assert_eq!(sent("msg_1", told, now).unwrap_err(), HookFault::Undated("webhook-timestamp".to_owned()));
    }
}

#[test]
fn the_generic_door_takes_a_code_or_a_secret_from_the_header_that_is_named() {
    let body = br#"{"kind":"build.done"}"#;
    let hook = of_kind(
        "generic",
        "signature = \"hmac-sha256\"\nheader = \"X-Code\"\nid_header = \"X-Name\"\nevent = \"kind\"",
    );
    let code = code(OLD, body);
    let verified = judge(&hook, &[OLD], &[("x-code", &code), ("x-name", "n-1")], body).unwrap();
    assert_eq!((verified.delivery_id.as_str(), verified.event.as_str()), ("n-1", "build.done"));
    let again = judge(&hook, &[OLD], &[("x-code", &code), ("x-name", "n-2")], body).unwrap();
    assert!(
        again.fingerprint.is_some() && again.fingerprint == verified.fingerprint,
        "the name is not signed"
    );
    let hook = of_kind("generic", "signature = \"shared-secret\"\nheader = \"X-Gitlab-Token\"");
    assert_eq!(judge(&hook, &[NEW, OLD], &[("x-gitlab-token", OLD)], body).unwrap().secret, 1);
    for given in ["", NEW, &OLD[1..], &format!("{OLD} ")] {
        let fault = judge(&hook, &[OLD], &[("x-gitlab-token", given)], body).unwrap_err();
        assert_eq!(fault, HookFault::Wrong("x-gitlab-token".to_owned()), "{given}");
    }
}

fn becomes(rules: &str, payload: &Value) -> Outcome {
    let hook = hook(&format!("name = \"x\"\nkind = \"github\"\nsecrets = [\"a\"]\n{rules}"));
    map(&hook, Delivery { id: "d-1", event: "issues" }, payload)
}

fn rules(more: &str) -> String {
    format!("{RULE}{more}")
}

fn payload() -> Value {
    json!({ "repository": { "full_name": "acme/api" }, "sender": { "login": "ana" }, "title": "x" })
}

fn unmapped(rules: &str, payload: &Value) -> (String, String) {
    match becomes(rules, payload) {
        Outcome::Unmapped { rule, problem } => {
            assert_eq!(rule, "on.0.template");
            assert!(problem.hint.is_some(), "{problem}");
            assert_eq!(problem.code, Code::Unmapped);
            (problem.at.unwrap(), problem.what)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_payload_of_the_wrong_shape_is_told_with_the_field() {
    let with = |field: &str, value: Value| {
        let mut payload = payload();
        payload[field] = value;
        payload
    };
    for (more, payload, at, what) in [
        ("", json!(null), "requester", "`sender.login` finds nothing"),
        ("", json!([1, 2]), "requester", "`sender.login` finds nothing"),
        (
            "",
            with("sender", json!({ "login": ["ana"] })),
            "requester",
            "should find a text and finds the array",
        ),
        ("", with("sender", json!({ "login": "a b" })), "requester", "not a login"),
        (
            "",
            with("repository", json!({})),
            "repositories",
            "should find names of repositories and finds null",
        ),
        ("", with("repository", json!({ "full_name": [7] })), "repositories", "finds the number"),
        ("when = \"contains(title, 'x')\"", with("title", json!(7)), "when", "Argument 0 expects"),
        ("request_key = \"title\"", with("title", json!("")), "request_key", "finds nothing"),
        ("requested_by = \"title\"", with("title", json!({})), "requested_by", "finds the object"),
        ("reason = \"title\"", with("title", json!("a\u{1b}[31m")), "reason", "cannot be seen"),
        ("requested_by = \"title\"", with("title", json!("Sluicegate-Job: x")), "reason", "Sluicegate-Job"),
        (
            "[on.inputs]\na = \"title\"",
            with("title", json!("x".repeat(300_000))),
            "inputs.a",
            "finds more than",
        ),
        (
            "[on.inputs]\na = \"sort(title)\"",
            with("title", json!([1, "b"])),
            "inputs.a",
            "Argument 0 expects",
        ),
    ] {
        let found = unmapped(&rules(more), &payload);
        assert!(found.0 == at && found.1.contains(what), "{more}: {found:?}");
    }
}

#[test]
fn the_first_rule_that_fits_counts_and_a_delivery_that_none_fits_is_ignored() {
    let two = format!("{}{}", rules("when = \"title == 'y'\"\n"), rules("hold = true\n"));
    let Outcome::Request(mapped) = becomes(&two, &payload()) else { panic!() };
    assert!(mapped.request.hold && mapped.rule == "on.1.template");
    let reason = "hook x: `issues`, delivery d-1";
    assert_eq!(mapped.request.reason.as_deref(), Some(reason));
    assert_eq!(mapped.request.idempotency_key.as_deref(), Some("hook/x/d-1"));
    let ignored = |rules: &str| match becomes(rules, &payload()) {
        Outcome::Ignored { reason } => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(ignored(""), "no rule is for `issues`");
    assert_eq!(ignored(&rules("event = \"push\"")), "no rule is for `issues`");
    assert_eq!(ignored(&rules("event = \"issues\"\nwhen = \"nothing\"")), "no rule for `issues` fits");
}

#[test]
fn a_reason_and_a_name_of_any_length_fit_into_a_request() {
    let mut payload = payload();
    payload["title"] = json!("🦀".repeat(5_000));
    let given = rules("reason = \"title\"\nrequested_by = \"title\"\n");
    assert!(matches!(becomes(&given, &payload), Outcome::Request(_)));
}

#[test]
fn what_a_sender_puts_under_our_name_is_not_looked_at() {
    let mut payload = payload();
    payload["sluice"] = json!({ "args": ["injected"], "delivery": "injected" });
    let given = rules("[on.inputs]\nargs = \"sluice.args\"\nname = \"sluice.delivery\"");
    let Outcome::Request(mapped) = becomes(&given, &payload) else { panic!() };
    assert_eq!(Value::Object(mapped.request.inputs), json!({ "args": [], "name": "d-1" }));
}

#[test]
fn a_key_that_no_key_may_look_like_is_taken_by_its_digest_and_stays_one_key() {
    let key = |title: &str| {
        let mut payload = payload();
        payload["title"] = json!(title);
        let Outcome::Request(mapped) = becomes(&rules("request_key = \"title\""), &payload) else { panic!() };
        mapped.request.idempotency_key.unwrap()
    };
    assert_eq!(key("ENG-7"), "hook/x/ENG-7");
    assert_eq!(key("Grüße"), key("Grüße"));
    assert!(key("Grüße").len() == "hook/x/".len() + 64 && key("Grüße") != key("Grüsse"));
    assert!(key(&"x".repeat(300)).len() <= 200);
}

const COMMAND: &str =
    "[on.command]\ntext = \"/sluice upgrade\"\npeople = [\"Ana\"]\nassociations = [\"MEMBER\"]\n";

#[test]
fn a_command_counts_only_as_the_first_words_of_a_new_comment_by_somebody_who_may() {
    let said = |body: &str, who: &str, association: &str, action: &str| {
        let mut payload = payload();
        payload["action"] = json!(action);
        payload["comment"] =
            json!({ "body": body, "user": { "login": who }, "author_association": association });
        becomes(&rules(&format!("{COMMAND}[on.inputs]\nargs = \"sluice.args\"")), &payload)
    };
    let words = |outcome: Outcome| match outcome {
        Outcome::Request(mapped) => mapped.request.inputs["args"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(words(said("/sluice upgrade a b\nplease", "ben", "MEMBER", "created")), json!(["a", "b"]));
    assert_eq!(words(said("\r\n  /sluice   upgrade\r\n", "ana", "NONE", "created")), json!([]));
    let many = format!("/sluice upgrade {}", "x ".repeat(500));
    assert_eq!(words(said(&many, "ana", "NONE", "submitted")).as_array().unwrap().len(), 20);
    let refused = "mallory (NONE) may not give the command `/sluice upgrade`";
    let ignored = |outcome: Outcome, why: &str| {
        assert_eq!(outcome, Outcome::Ignored { reason: why.to_owned() });
    };
    ignored(said("/sluice upgrade", "mallory", "NONE", "created"), refused);
    let unfit = "no rule for `issues` fits";
    ignored(said("/sluice upgrade", "ana", "MEMBER", "edited"), unfit);
    ignored(said("/sluice upgrades", "ana", "MEMBER", "created"), unfit);
    ignored(said("see\n/sluice upgrade", "ana", "MEMBER", "created"), unfit);
    ignored(said("> /sluice upgrade", "ana", "MEMBER", "created"), unfit);
    ignored(said("", "ana", "MEMBER", "created"), unfit);
    ignored(becomes(&rules(COMMAND), &json!({ "comment": { "body": { "type": "doc" } } })), unfit);
}

#[test]
fn a_body_that_is_a_trap_is_told_as_unreadable() {
    let hook = of_kind("github", "");
    let deep = "[".repeat(100_000);
    for (body, what) in [
        (deep.as_str(), "recursion limit exceeded"),
        ("{\"a\":1e999}", "number out of range"),
        ("", "EOF while parsing"),
        ("payload=%7B%7D", "expected value"),
        ("{} {}", "trailing characters"),
        ("{\"a\":\"\\ud800\"}", "hex escape"),
    ] {
        let signature = code(OLD, body.as_bytes());
        let verified = judge(&hook, &[OLD], &[("x-hub-signature-256", &signature)], body.as_bytes()).unwrap();
        let problem = verified.payload.unwrap_err();
        assert!(problem.what.contains(what), "{what}: {}", problem.what);
        assert!(problem.hint.unwrap().contains("application/json"));
    }
    // As deep as a body may be, through an expression that walks all of it.
    let nested = serde_json::from_str(&format!("{}1{}", "[".repeat(126), "]".repeat(126))).unwrap();
    let mut payload = payload();
    payload["title"] = nested;
    let walked = rules("[on.inputs]\na = \"[title, to_string(title), title[][][]]\"");
    assert!(matches!(becomes(&walked, &payload), Outcome::Request(_)));
}
