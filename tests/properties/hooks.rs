//! Webhooks on random input: a changed byte is never let in, and whatever a payload is, it becomes something that is said.

use std::{fs, path::Path, sync::LazyLock};

use proptest::prelude::*;
use ring::hmac;
use secrecy::SecretString;
use serde_json::{Map, Value};
use sluicegate::{
    job::time::Timestamp,
    policy::{
        hook::{
            Delivery, Hook, Outcome, Written, concern, map,
            signature::{Keys, verify},
            written,
        },
        request::hex,
        standard_webhooks::SigningKey,
    },
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: Timestamp = Timestamp(1_795_168_800_000);

#[derive(serde::Deserialize)]
struct File {
    hook: Vec<Written<String>>,
}

/// The hooks of the page, each as it stands there.
static HOOKS: LazyLock<Vec<Hook>> = LazyLock::new(|| {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hooks.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap());
    let read = |block| toml::from_str::<File>(block).unwrap().hook;
    blocks.flat_map(read).map(|one| written::read(&one, str::to_owned).unwrap()).collect()
});

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hooks").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

static PAYLOADS: LazyLock<Vec<(&str, Value)>> = LazyLock::new(|| {
    [
        ("issues", "github-issues-labeled.json"),
        ("issue_comment", "github-issue_comment-created.json"),
        ("jira:issue_updated", "jira-issue_updated.json"),
        ("Issue", "linear-issue-update.json"),
        ("release.wanted", "generic-release-wanted.json"),
    ]
    .map(|(event, file)| (event, fixture(file)))
    .into()
});

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z]{1,6}/[a-z]{1,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((field(), inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Names that rules look for, among others.
fn field() -> impl Strategy<Value = String> {
    let known = "action|issue|label|labels|name|repository|full_name|comment|body|user|login|fields|items|data|sluice";
    prop_oneof![3 => known, 1 => any::<String>()]
}

/// Puts a value in the place of one that is there; `at` chooses the place.
fn put(into: &mut Value, at: &[prop::sample::Index], value: Value) {
    let here = match (at.split_first(), &mut *into) {
        (Some((index, rest)), Value::Array(list)) if !list.is_empty() => {
            let place = index.index(list.len());
            return put(&mut list[place], rest, value);
        }
        (Some((index, rest)), Value::Object(fields)) if !fields.is_empty() => {
            let place = index.index(fields.len());
            return put(fields.values_mut().nth(place).unwrap(), rest, value);
        }
        _ => into,
    };
    *here = value;
}

fn said(hook: &Hook, event: &str, payload: &Value) -> Result<(), TestCaseError> {
    concern(event, payload);
    match map(hook, Delivery { id: "d", event }, payload) {
        Outcome::Ignored { reason } => prop_assert!(!reason.is_empty()),
        Outcome::Unmapped { rule, problem } => {
            prop_assert!(!rule.is_empty() && problem.at.is_some() && problem.hint.is_some(), "{}", problem);
        }
        Outcome::Request(mapped) => {
            let request = mapped.request;
            prop_assert_eq!(request.clone().checked(), Ok(request));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_a_payload_is_it_becomes_something_that_is_said(payload in json()) {
        for hook in HOOKS.iter() {
            for (event, _) in PAYLOADS.iter() {
                said(hook, event, &payload)?;
            }
        }
    }

    #[test]
    fn a_payload_that_is_wrong_in_places_becomes_something_that_is_said(
        places in prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 1..5), json()), 1..4),
    ) {
        for (event, payload) in PAYLOADS.iter() {
            let mut payload = payload.clone();
            for (at, value) in &places {
                put(&mut payload, at, value.clone());
            }
            for hook in HOOKS.iter() {
                said(hook, event, &payload)?;
            }
        }
    }

    #[test]
    fn a_changed_byte_is_never_let_in(
        body in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= flip;
        let code = hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &body).as_ref());
        let standard = SigningKey::parse(&SECRET.into()).unwrap().sign("m", NOW.0 / 1_000, &body);
        let time = (NOW.0 / 1_000).to_string();
        for hook in HOOKS.iter() {
            let mut keys = Keys::default();
            keys.add(&hook.proof, &SecretString::from(SECRET)).unwrap();
            let header = |name: &str| Some(match name {
                "webhook-id" => "m",
                "webhook-timestamp" => &time,
                "webhook-signature" => &standard,
                _ => &code,
            });
            prop_assert!(verify(hook, &keys, header, &body, NOW).is_ok());
            let fault = verify(hook, &keys, header, &changed, NOW).unwrap_err();
            prop_assert_eq!(fault.code(), "signature-wrong");
        }
    }
}
