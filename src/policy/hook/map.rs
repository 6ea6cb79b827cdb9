//! From the payload of a delivery to a request. Total: whatever the payload is, the answer is one of the three.

use serde_json::{Map, Value, json};

use super::{
    Command, Delivery, Expression, Hook, Input, Mapped, Outcome, Repositories, Rule, Scope, command::Given,
};
use crate::policy::{
    inputs,
    problem::{Code, Problem},
    request::{Request, sha256},
    text,
};

/// The field that is added to every payload; what a payload has under this name is not looked at.
const OURS: &str = "sluice";
/// The most of a person's name, in characters.
const PERSON_MAX: usize = 80;
/// The most of a reason, in characters; with what is added to it, a request takes no more.
const REASON_MAX: usize = 300;
/// The longest key of a request.
const KEY_BYTES_MAX: usize = 200;

/// What a delivery becomes by the first rule that fits.
pub fn map(hook: &Hook, delivery: Delivery<'_>, payload: &Value) -> Outcome {
    let payload = Scope::new(payload);
    let (mut seen, mut refused) = (false, None);
    for rule in &hook.rules {
        if rule.event.as_ref().is_some_and(|event| event != delivery.event) {
            continue;
        }
        let fit = Fit { hook, rule, delivery };
        match fit.wanted(&payload) {
            Ok(Wanted::No) => {}
            Ok(Wanted::Refused(said)) => refused = refused.or(Some(said)),
            Ok(Wanted::Yes(scope)) => match fit.request(&scope) {
                Ok(mapped) => return Outcome::Request(Box::new(mapped)),
                Err(problem) => return Outcome::Unmapped { rule: rule.at.clone(), problem },
            },
            Err(problem) => return Outcome::Unmapped { rule: rule.at.clone(), problem },
        }
        seen = true;
    }
    let event = told(delivery.event);
    let reason = if seen { format!("no rule for {event} fits") } else { format!("no rule is for {event}") };
    Outcome::Ignored { reason: refused.unwrap_or(reason) }
}

fn told(event: &str) -> String {
    if event.is_empty() { "a delivery that names no event".to_owned() } else { format!("`{event}`") }
}

fn wrong(at: &str, what: impl Into<String>) -> Problem {
    let hint = "mend the rule or what the sender sends, then replay the delivery";
    Problem::new(Code::Unmapped, text::shorten(&what.into(), 400)).at(at).hint(hint)
}

/// What a rule makes of a delivery before any request.
enum Wanted {
    No,
    Refused(String),
    /// The payload, with what we know ourselves.
    Yes(Scope),
}

/// A rule that is for the event of a delivery.
struct Fit<'a> {
    hook: &'a Hook,
    rule: &'a Rule,
    delivery: Delivery<'a>,
}

impl Fit<'_> {
    fn wanted(&self, payload: &Scope) -> Result<Wanted, Problem> {
        let (mut words, mut refused) = (Vec::new(), None);
        let given = self.rule.command.as_ref().map(|command: &Command| command.given(payload)).transpose();
        match given.map_err(|why| wrong("command", why))? {
            Some(Given::No) => return Ok(Wanted::No),
            Some(Given::Refused(said)) => refused = Some(said),
            Some(Given::Yes(found)) => words = found,
            None => {}
        }
        let ours = json!({
            "hook": self.hook.name, "event": self.delivery.event, "delivery": self.delivery.id, "args": words,
        });
        let scope = payload.with(OURS, &ours);
        if let Some(when) = &self.rule.when
            && !when.holds(&scope).map_err(|why| wrong("when", why))?
        {
            return Ok(Wanted::No);
        }
        Ok(refused.map_or(Wanted::Yes(scope), Wanted::Refused))
    }

    fn request(&self, scope: &Scope) -> Result<Mapped, Problem> {
        let rule = self.rule;
        let requester = needed(&rule.requester, scope, "requester")?;
        let requested_by = maybe(rule.requested_by.as_ref(), scope, "requested_by")?;
        let requested_by = requested_by.map(|who| text::shorten(&who, PERSON_MAX));
        let request = Request {
            repositories: self.repositories(scope)?,
            inputs: self.inputs(scope)?,
            requester,
            reason: Some(self.reason(scope, requested_by.as_deref())?),
            idempotency_key: Some(self.key(scope)?),
            ..rule.fixed.clone()
        };
        let request = request.checked().map_err(|problem| Problem { code: Code::Unmapped, ..problem })?;
        Ok(Mapped { request, rule: rule.at.clone(), requested_by })
    }

    fn repositories(&self, scope: &Scope) -> Result<Vec<String>, Problem> {
        const AT: &str = "repositories";
        let expression = match &self.rule.repositories {
            Repositories::Named(names) => return Ok(names.clone()),
            Repositories::Found(expression) => expression,
        };
        let name = |value: Value| match value {
            Value::String(name) => Ok(name),
            other => Err(expected("names of repositories", expression, &other, AT)),
        };
        match expression.find(scope).map_err(|why| wrong(AT, why))? {
            Value::Array(list) => list.into_iter().map(name).collect(),
            one => Ok(vec![name(one)?]),
        }
    }

    /// What an expression does not find is left out: the template's default counts, or the template says what is missing.
    fn inputs(&self, scope: &Scope) -> Result<Map<String, Value>, Problem> {
        let mut inputs = Map::new();
        for (name, input) in &self.rule.inputs {
            let value = match input {
                Input::Fixed(value) => value.clone(),
                Input::Found(expression) => {
                    expression.find(scope).map_err(|why| wrong(&format!("inputs.{name}"), why))?
                }
            };
            if !value.is_null() {
                inputs.insert(name.clone(), value);
            }
        }
        Ok(inputs)
    }

    fn reason(&self, scope: &Scope, requested_by: Option<&str>) -> Result<String, Problem> {
        let found = maybe(self.rule.reason.as_ref(), scope, "reason")?;
        let said = found.map_or_else(
            || {
                format!(
                    "hook {}: {}, delivery {}",
                    self.hook.name,
                    told(self.delivery.event),
                    self.delivery.id
                )
            },
            |reason| text::shorten(&reason, REASON_MAX),
        );
        let who = requested_by.map(|who| format!(" (asked for by {who}, as {} tells)", self.hook.name));
        Ok(format!("{said}{}", who.unwrap_or_default()))
    }

    /// Keys of different hooks never meet. One that no key may look like is taken by its digest.
    fn key(&self, scope: &Scope) -> Result<String, Problem> {
        let key = match &self.rule.request_key {
            Some(expression) => needed(expression, scope, "request_key")?,
            None => self.delivery.id.to_owned(),
        };
        let whole = format!("{}/{key}", self.hook.producer());
        let plain = whole.len() <= KEY_BYTES_MAX && whole.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        Ok(if plain { whole } else { format!("{}/{}", self.hook.producer(), sha256(key.as_bytes())) })
    }
}

/// A text, or a number as one.
fn maybe(expression: Option<&Expression>, scope: &Scope, at: &str) -> Result<Option<String>, Problem> {
    let Some(expression) = expression else { return Ok(None) };
    match expression.find(scope).map_err(|why| wrong(at, why))? {
        Value::Null => Ok(None),
        Value::String(text) if text.is_empty() => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Number(number) => Ok(Some(number.to_string())),
        other => Err(expected("a text", expression, &other, at)),
    }
}

fn expected(what: &str, expression: &Expression, found: &Value, at: &str) -> Problem {
    wrong(at, format!("`{}` should find {what} and finds {}", expression.as_str(), inputs::type_name(found)))
}

fn needed(expression: &Expression, scope: &Scope, at: &str) -> Result<String, Problem> {
    maybe(Some(expression), scope, at)?
        .ok_or_else(|| wrong(at, format!("`{}` finds nothing", expression.as_str())))
}
