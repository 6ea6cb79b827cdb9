//! From the source of a prompt to its text. Strict: what is not given is an error, never an empty place.
//! What people typed freely is only ever shown inside a block that is marked as data.

use std::{collections::BTreeSet, io};

use minijinja::{
    Environment, ErrorKind, Output, State, UndefinedBehavior, context, syntax::SyntaxConfig, value::Value,
};
use serde_json::{Map, Value as Json};

use crate::{
    job::repository::Repository,
    policy::{
        closing,
        free_text::{FreeText, guarded_object},
        hint, inputs,
        problem::{Code, Problem},
        request::Request,
        surroundings::Surroundings,
        template::{PullRequestText, Template},
        text,
    },
};

/// The longest prompt, boundaries included.
pub const PROMPT_BYTES_MAX: usize = 64 * 1024;
/// Steps of the template engine for one prompt.
const FUEL: u64 = 200_000;
/// Everything a prompt may name besides `inputs.<name>` and the engine's own functions.
const GIVEN: [&str; 14] = [
    "repository.owner",
    "repository.name",
    "repository.full_name",
    "repository.default_branch",
    "repository.languages",
    "repository.codeowners",
    "repository.workflows",
    "repository.test_command",
    "repository.manifest",
    "request.requester",
    "request.team",
    "request.reason",
    "template.name",
    "template.version",
];
const FUNCTIONS: [&str; 3] = ["range", "dict", "namespace"];

/// The texts of one job.
pub struct Rendered {
    pub prompt: String,
    pub pull_text: PullRequestText,
}

/// The prompts of one request.
pub struct Prompts<'t> {
    engine: Environment<'t>,
    template: &'t Template,
    /// The sections that are the same for every repository.
    closing: String,
    inputs: Value,
    request: Value,
}

impl<'t> Prompts<'t> {
    /// `team` is the one that the request runs for.
    pub fn new(template: &'t Template, request: &Request, team: &str) -> Result<Self, Problem> {
        let reason = FreeText::value(request.reason.clone().unwrap_or_default());
        let engine = engine(template).map_err(|(key, error)| told(key, &error))?;
        let sections = [closing::before_the_end(template), closing::boundaries(&template.scope)];
        Ok(Self {
            engine,
            template,
            closing: sections.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n"),
            inputs: guarded_object(Some(&template.inputs), &request.inputs),
            request: context! { requester => request.requester.as_str(), team, reason },
        })
    }

    /// Renders one prompt: the template's text, then the sections that end every prompt. And what its pull request says.
    pub fn render(&self, repository: &Repository, around: &Surroundings) -> Result<Rendered, Problem> {
        let given = context! {
            inputs => self.inputs.clone(),
            request => self.request.clone(),
            repository => context! {
                owner => repository.owner(), name => repository.name(), full_name => repository.full_name(),
                ..around.values()
            },
            template => context! { name => self.template.name.as_str(), version => self.template.version },
        };
        let body = self.part(PROMPT, given.clone())?;
        if body.is_empty() {
            return Err(Problem::new(Code::PromptEmpty, "the prompt is empty").at(PROMPT));
        }
        let PullRequestText { title, body: text } = &self.template.pull_request_text;
        let title = title.as_ref().map(|_| self.part(TITLE, given.clone())).transpose()?;
        if title.as_ref().is_some_and(String::is_empty) {
            return Err(Problem::new(Code::PromptEmpty, "the title of the pull request is empty")
                .at(TITLE)
                .hint("name an input that is required"));
        }
        if title.as_ref().is_some_and(|title| title.contains('\n')) {
            let what = "the title of the pull request has a line break, as every free text has";
            let hint = "name only inputs that `enum`, `const` or `pattern` limit";
            return Err(Problem::new(Code::BadPrompt, what).at(TITLE).hint(hint));
        }
        let text = text.as_ref().map(|_| self.part(BODY, given)).transpose()?;
        let pull = closing::pull_request(title.as_deref(), text.as_deref());
        let gap = if pull.is_empty() { "" } else { "\n" };
        let prompt = format!("{body}\n\n{pull}{gap}{}", self.closing);
        if prompt.len() > PROMPT_BYTES_MAX {
            return Err(too_long(PROMPT));
        }
        text::check(&prompt, PROMPT)?;
        Ok(Rendered { prompt, pull_text: PullRequestText { title, body: text } })
    }

    fn part(&self, key: &'static str, given: Value) -> Result<String, Problem> {
        let mut out = Bounded::default();
        let template = self.engine.get_template(key).map_err(|error| told(key, &error))?;
        let done = template.render_captured_to(given, &mut out).map(|_| ());
        if out.over {
            return Err(too_long(key));
        }
        done.map_err(|error| told(key, &error))?;
        Ok(std::str::from_utf8(&out.bytes).unwrap_or_default().trim().to_owned())
    }
}

fn too_long(key: &str) -> Problem {
    let what = format!("the rendered {} is over {PROMPT_BYTES_MAX} bytes (64 KiB)", noun(key));
    Problem::new(Code::PromptTooLong, what).at(key).hint("shorten the inputs")
}

/// Something wrong with one of a template's texts: with its key, and the line inside of it if there is one.
pub struct TextFault {
    pub problem: Problem,
    pub key: &'static str,
    pub line: Option<usize>,
}

/// Everything wrong with a template's texts that can be known before a request comes.
pub fn faults(template: &Template) -> Vec<TextFault> {
    let engine = match engine(template) {
        Ok(engine) => engine,
        Err((key, error)) => return vec![TextFault { problem: told(key, &error), key, line: error.line() }],
    };
    let known: BTreeSet<String> = inputs::properties(&template.inputs)
        .map(|(name, _)| format!("inputs.{name}"))
        .chain(GIVEN.map(str::to_owned))
        .chain(FUNCTIONS.map(str::to_owned))
        .collect();
    let listed: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut faults = Vec::new();
    for (key, source) in sources(template) {
        let Ok(compiled) = engine.get_template(key) else { continue };
        let undeclared: BTreeSet<String> = compiled.undeclared_variables(true).into_iter().collect();
        let strange =
            |name: &&String| !known.contains(&name.split('.').take(2).collect::<Vec<_>>().join("."));
        for name in undeclared.iter().filter(strange) {
            let line = source.lines().position(|line| line.contains(name.as_str()));
            let what = format!("the {} names `{name}`, which it is not given", noun(key));
            let problem = Problem::new(Code::UndefinedVariable, what).hint(hint::did_you_mean(name, &listed));
            faults.push(TextFault { problem, key, line: line.map(|line| line.saturating_add(1)) });
        }
    }
    if faults.is_empty() {
        faults.extend(tried(template).err().map(|fault| *fault));
    }
    faults
}

/// Everything that a template's texts name. Nothing for texts that cannot be compiled: that is told elsewhere.
pub fn named(template: &Template) -> BTreeSet<String> {
    let Ok(engine) = engine(template) else { return BTreeSet::new() };
    let texts = sources(template).filter_map(|(key, _)| engine.get_template(key).ok());
    texts.flat_map(|text| text.undeclared_variables(true)).collect()
}

/// Renders once with made-up inputs: finds unknown filters, missing fields inside inputs, endless loops.
fn tried(template: &Template) -> Result<(), Box<TextFault>> {
    let plain = match inputs::sample(&template.inputs) {
        Json::Object(map) => map,
        _ => Map::new(),
    };
    // What is free text and empty by default must fit where it stands, too.
    let mut full = plain.clone();
    for (name, schema) in inputs::properties(&template.inputs) {
        let free = !["enum", "const", "pattern"].iter().any(|key| schema.get(key).is_some());
        if let Some(value) = full.get_mut(name).filter(|value| free && value.as_str() == Some("")) {
            *value = Json::from("sample");
        }
    }
    tried_with(template, full)?;
    tried_with(template, plain)
}

fn tried_with(template: &Template, sample: Map<String, Json>) -> Result<(), Box<TextFault>> {
    let request = Request {
        template: template.name.clone(),
        repositories: Vec::new(),
        inputs: sample,
        requester: "sample".to_owned(),
        team: None,
        reason: Some("sample".to_owned()),
        priority: None,
        idempotency_key: None,
        deadline_minutes: None,
        hold: false,
        waves: None,
        model: None,
        model_reason: None,
    };
    let no_line = |problem| Box::new(TextFault { problem, key: PROMPT, line: None });
    let repository = "sample/sample".parse().map_err(|_| no_line(Problem::new(Code::BadPrompt, "")))?;
    Prompts::new(template, &request, &template.team)
        .and_then(|prompts| prompts.render(&repository, &Surroundings::sample(template)).map(|_| ()))
        .map_err(|problem| {
            let at = problem.at.clone().unwrap_or_default();
            let (name, line) = at.split_once(':').unwrap_or((&at, ""));
            let key = [TITLE, BODY].into_iter().find(|key| *key == name).unwrap_or(PROMPT);
            Box::new(TextFault { problem, key, line: line.parse().ok() })
        })
}

/// The texts of a template, by the key that holds them.
pub(super) const PROMPT: &str = "prompt";
const TITLE: &str = "pull_request_text.title";
const BODY: &str = "pull_request_text.body";

fn noun(key: &str) -> &'static str {
    match key {
        TITLE => "title of the pull request",
        BODY => "description of the pull request",
        _ => "prompt",
    }
}

fn sources(template: &Template) -> impl Iterator<Item = (&'static str, &str)> {
    let text = &template.pull_request_text;
    let more = [(TITLE, text.title.as_deref()), (BODY, text.body.as_deref())];
    let more = more.into_iter().filter_map(|(key, source)| Some((key, source?)));
    std::iter::once((PROMPT, template.prompt.as_str())).chain(more)
}

fn engine(template: &Template) -> Result<Environment<'_>, (&'static str, minijinja::Error)> {
    let mut engine = empty_engine().map_err(|error| (PROMPT, error))?;
    for (key, source) in sources(template) {
        engine.add_template(key, source).map_err(|error| (key, error))?;
    }
    Ok(engine)
}

/// Strict, without any text.
pub(super) fn empty_engine() -> Result<Environment<'static>, minijinja::Error> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    engine.set_fuel(Some(FUEL));
    engine.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    engine.set_formatter(print);
    engine.add_filter("data", data);
    engine.add_filter("join", join);
    engine.add_filter("tojson", to_json);
    Ok(engine)
}

/// Prints what is there; `none` is as absent as an undefined value.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    if value.is_none() {
        return Err(minijinja::Error::new(ErrorKind::UndefinedError, "a value that is null is printed"));
    }
    minijinja::escape_formatter(out, state, value)
}

/// `{{ value | data }}`: any value in a block that is marked as data.
fn data(value: &Value) -> Result<Value, minijinja::Error> {
    given(value)?;
    Ok(if value.downcast_object_ref::<FreeText>().is_some() {
        value.clone()
    } else {
        FreeText::value(value.to_string())
    })
}

/// The engine's own filter lets an undefined value through.
fn join(value: &Value, joiner: Option<std::borrow::Cow<'_, str>>) -> Result<String, minijinja::Error> {
    given(value)?;
    let parts: Vec<String> = value
        .try_iter()?
        .map(|part| given(&part).map(|()| part.to_string()))
        .collect::<Result<_, minijinja::Error>>()?;
    Ok(parts.join(joiner.as_deref().unwrap_or_default()))
}

/// The engine's own filter lets an undefined value through, and free text out of its block.
fn to_json(value: &Value) -> Result<Value, minijinja::Error> {
    given(value)?;
    let json = serde_json::to_string_pretty(value)
        .map_err(|error| minijinja::Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(FreeText::value(json))
}

fn given(value: &Value) -> Result<(), minijinja::Error> {
    if value.is_undefined() {
        return Err(minijinja::Error::new(ErrorKind::UndefinedError, "a filter is applied to it"));
    }
    Ok(())
}

fn told(key: &str, error: &minijinja::Error) -> Problem {
    let place = error.line().map_or_else(|| key.to_owned(), |line| format!("{key}:{line}"));
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let what = format!("the {} cannot be rendered: {}{detail}", noun(key), error.kind());
    let (code, hint) = match error.kind() {
        ErrorKind::UndefinedError => (Code::UndefinedVariable, "give the input, or a default in the schema"),
        ErrorKind::OutOfFuel => (Code::BadPrompt, "it takes too many steps: look for an endless loop"),
        _ => (Code::BadPrompt, "the syntax is Jinja2's: {{ inputs.name }}, {% if %}, {% for %}"),
    };
    Problem::new(code, what).at(place).hint(hint)
}

/// Takes in one byte more than a prompt may have, then refuses.
#[derive(Default)]
struct Bounded {
    bytes: Vec<u8>,
    over: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len().saturating_add(bytes.len()) > PROMPT_BYTES_MAX {
            self.over = true;
            return Err(io::Error::other("the prompt is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
