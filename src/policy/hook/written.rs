//! A webhook as people write it in the configuration, and what it means. A mistake is told with the path of its field.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Command, Expression, Hook, Input, Kind, Proof, Repositories, Rule,
    command::{self, WrittenCommand},
};
use crate::{
    job::{repository::Repository, time::Millis},
    policy::{
        problem::{Code, Problem},
        request::{Request, has_toml_date},
        text, waves,
    },
};

/// Two, while one is replaced by the other.
const SECRETS_MAX: usize = 2;
/// The most that a time stamp may be off, in seconds: a day, for senders that repeat a delivery as it was.
const AGE_SECONDS_MAX: u32 = 86_400;

/// One `[[hook]]`. `S` says where a secret is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written<S> {
    /// The last part of its address.
    pub name: String,
    pub kind: Kind,
    /// One, or two while one is replaced.
    pub secrets: Vec<S>,
    /// Of `generic` only: how a delivery proves itself.
    pub signature: Option<Scheme>,
    /// The header that holds the proof, for `hmac-sha256` and `shared-secret`.
    pub header: Option<String>,
    /// The header that names a delivery, for the same two; left out: its bytes name it.
    pub id_header: Option<String>,
    /// Of `generic` only: finds the name of the event; left out: `type`.
    pub event: Option<String>,
    /// How far a time stamp may be from ours, where there is one; 1 to 86,400. Left out: 60 for Linear, else 300.
    pub max_age_seconds: Option<u32>,
    /// In order: the first that fits counts.
    #[serde(default)]
    pub on: Vec<WrittenRule>,
}

/// How deliveries of `generic` prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    StandardWebhooks,
    HmacSha256,
    SharedSecret,
}

/// One `[[hook.on]]`. Texts that the payload tells are expressions of JMESPath.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenRule {
    /// Left out: every event.
    pub event: Option<String>,
    /// Must hold.
    pub when: Option<String>,
    pub command: Option<WrittenCommand>,
    pub template: String,
    /// A list of names, or an expression that finds one name or several.
    pub repositories: Value,
    /// Texts are expressions; anything else stands for itself.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// Finds the GitHub login of who asks.
    pub requester: String,
    /// Finds who it was by the sender's word.
    pub requested_by: Option<String>,
    /// Deliveries with the same key are one request; left out: each is one.
    pub request_key: Option<String>,
    pub reason: Option<String>,
    pub team: Option<String>,
    pub priority: Option<u8>,
    pub deadline_minutes: Option<u32>,
    #[serde(default)]
    pub hold: bool,
    pub waves: Option<waves::Rule>,
}

fn wrong(at: &str, what: impl Into<String>, hint: &str) -> Problem {
    Problem::new(Code::BadHook, what).at(at).hint(hint)
}

/// What it means, or everything that is wrong with it. `place` finds where a field stands.
pub fn read<S>(written: &Written<S>, place: impl Fn(&str) -> String) -> Result<Hook, Vec<Problem>> {
    let mut problems = Vec::new();
    if !text::is_name(&written.name) {
        let what = format!("`{}` is not a name", text::shorten(&written.name, 80));
        problems.push(wrong("name", what, "use lower-case letters, digits and `-`, at most 64"));
    }
    if !(1..=SECRETS_MAX).contains(&written.secrets.len()) {
        let what = format!("{} secrets", written.secrets.len());
        let hint = "name one, `secrets = [\"env:NAME\"]`, or two while one is replaced by the other";
        problems.push(wrong("secrets", what, hint));
    }
    if written.on.is_empty() && written.kind != Kind::Github {
        problems.push(wrong("name", "no delivery would do anything", "add [[hook.on]]"));
    }
    let (proof, id_header) = proof(written, &mut problems);
    let age = written.max_age_seconds.unwrap_or(if written.kind == Kind::Linear { 60 } else { 300 });
    if !(1..=AGE_SECONDS_MAX).contains(&age) {
        problems.push(wrong("max_age_seconds", format!("{age} is out of range"), "write 1 to 86400"));
    }
    if written.max_age_seconds.is_some() && written.kind != Kind::Linear && proof != Proof::Standard {
        let hint = "leave it out: only Linear and Standard Webhooks say when they signed";
        problems.push(wrong("max_age_seconds", "deliveries of this kind have no time stamp", hint));
    }
    let event = match (written.kind, &written.event) {
        (Kind::Github, None) => None,
        (Kind::Jira, None) => compile("webhookEvent", "event", &mut problems),
        (Kind::Linear, None) => compile("type", "event", &mut problems),
        (Kind::Generic, event) => compile(event.as_deref().unwrap_or("type"), "event", &mut problems),
        (_, Some(_)) => {
            problems.push(wrong("event", "the event of this kind is known", "leave it out"));
            None
        }
    };
    let rules = written.on.iter().enumerate().filter_map(|(index, on)| {
        let at = |field: &str| format!("on.{index}.{field}");
        rule(written.kind, on, place(&at("template")), &at, &mut problems)
    });
    let rules: Vec<Rule> = rules.collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let (name, kind, max_age) = (written.name.clone(), written.kind, Millis::seconds(age.into()));
    Ok(Hook { name, kind, proof, max_age, id_header, event, rules, at: place("name") })
}

/// How deliveries prove themselves, and the header that names them.
fn proof<S>(written: &Written<S>, problems: &mut Vec<Problem>) -> (Proof, Option<String>) {
    let hmac = |header: &str| Proof::Hmac { header: header.to_owned() };
    let known = match written.kind {
        Kind::Github => Some((hmac("x-hub-signature-256"), "x-github-delivery")),
        Kind::Jira => Some((hmac("x-hub-signature"), "x-atlassian-webhook-identifier")),
        Kind::Linear => Some((hmac("linear-signature"), "linear-delivery")),
        Kind::Generic if written.signature == Some(Scheme::StandardWebhooks) => {
            Some((Proof::Standard, "webhook-id"))
        }
        Kind::Generic => None,
    };
    let set = [
        ("signature", written.signature.is_some() && written.kind != Kind::Generic),
        ("header", written.header.is_some()),
        ("id_header", written.id_header.is_some()),
    ];
    if let Some((proof, id)) = known {
        for (field, _) in set.iter().filter(|(_, set)| *set) {
            problems.push(wrong(field, "it is known for this kind", "leave it out"));
        }
        return (proof, Some(id.to_owned()));
    }
    let mut header = |field: &str, name: &Option<String>| {
        let name = name.as_ref()?.to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if name.is_empty() || name.len() > 100 || !name.bytes().all(plain) {
            problems.push(wrong(field, "not the name of a header", "write e.g. \"X-Signature\""));
        }
        Some(name)
    };
    let id_header = header("id_header", &written.id_header);
    let Some(named) = header("header", &written.header) else {
        let (field, hint) = match written.signature {
            None => {
                ("kind", "write `signature = \"standard-webhooks\"`, \"hmac-sha256\" or \"shared-secret\"")
            }
            Some(_) => ("signature", "write `header = \"X-Signature\"`, as the sender calls it"),
        };
        problems.push(wrong(field, "it is not said how deliveries prove where they come from", hint));
        return (Proof::Standard, id_header);
    };
    match written.signature {
        Some(Scheme::SharedSecret) => (Proof::Shared { header: named }, id_header),
        _ => (Proof::Hmac { header: named }, id_header),
    }
}

fn rule(
    kind: Kind,
    on: &WrittenRule,
    place: String,
    at: &dyn Fn(&str) -> String,
    problems: &mut Vec<Problem>,
) -> Option<Rule> {
    let before = problems.len();
    let mut optional = |field: &str, text: &Option<String>| compile(text.as_deref()?, &at(field), problems);
    let (when, reason) = (optional("when", &on.when), optional("reason", &on.reason));
    let requested_by = optional("requested_by", &on.requested_by);
    let request_key = optional("request_key", &on.request_key);
    let requester = compile(&on.requester, &at("requester"), problems);
    let command: Option<Command> =
        on.command.as_ref().and_then(|written| command::read(kind, written, at, problems));
    let repositories = repositories(&on.repositories, &at("repositories"), problems);
    let mut inputs = Vec::new();
    for (name, value) in &on.inputs {
        let here = at(&format!("inputs.{name}"));
        let input = match value {
            Value::String(text) => compile(text, &here, problems).map(Input::Found),
            fixed if has_toml_date(fixed) => {
                problems.push(wrong(&here, "a bare date", "write it as an expression: \"'2026-12-01'\""));
                None
            }
            fixed => Some(Input::Fixed(fixed.clone())),
        };
        inputs.extend(input.map(|input| (name.clone(), input)));
    }
    let fixed = fixed(on).checked().map_err(|problem| {
        let field = problem.at.clone().unwrap_or_default();
        problems.push(Problem { code: Code::BadHook, ..problem }.at(at(&field)));
    });
    let (Some(requester), Some(repositories), Ok(fixed)) = (requester, repositories, fixed) else {
        return None;
    };
    if problems.len() > before {
        return None;
    }
    Some(Rule {
        event: on.event.clone(),
        when,
        command,
        fixed,
        repositories,
        inputs,
        requester,
        requested_by,
        request_key,
        reason,
        at: place,
    })
}

/// What every request of a rule has in common, with somebody who may ask.
fn fixed(on: &WrittenRule) -> Request {
    Request {
        template: on.template.clone(),
        repositories: Vec::new(),
        inputs: Map::new(),
        requester: "somebody".to_owned(),
        team: on.team.clone(),
        reason: None,
        priority: on.priority,
        idempotency_key: None,
        deadline_minutes: on.deadline_minutes,
        hold: on.hold,
        waves: on.waves.clone(),
        model: None,
        model_reason: None,
    }
}

fn repositories(written: &Value, at: &str, problems: &mut Vec<Problem>) -> Option<Repositories> {
    let hint = "write names, [\"acme/api\"], or an expression, \"repository.full_name\"";
    match written {
        Value::String(text) => compile(text, at, problems).map(Repositories::Found),
        Value::Array(list) if !list.is_empty() => {
            let names = list.iter().map(|name| {
                let name = name.as_str().ok_or("expected names of repositories".to_owned())?;
                name.parse::<Repository>()
                    .map(|name| name.full_name().to_owned())
                    .map_err(|error| error.to_string())
            });
            let names: Result<Vec<String>, String> = names.collect();
            names.map(Repositories::Named).map_err(|what| problems.push(wrong(at, what, hint))).ok()
        }
        _ => {
            problems.push(wrong(at, "names no repository", hint));
            None
        }
    }
}

/// A mistake is told with the field.
pub(super) fn compile(text: &str, at: &str, problems: &mut Vec<Problem>) -> Option<Expression> {
    let hint =
        "write JMESPath (jmespath.org): `issue.title`; a fixed text has quotes of its own, \"'minor'\"";
    let told = |why: String| wrong(at, format!("`{}`: {why}", text::shorten(text, 120)), hint);
    Expression::compile(text).map_err(|why| problems.push(told(why))).ok()
}
