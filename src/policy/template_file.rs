//! The layout of `templates/<name>/<version>.toml`, and everything that is checked before a template may be used.

use jsonschema::Validator;
use serde::Deserialize;
use serde_json::{Value, json};
use toml::Spanned;

use crate::{
    budget::Amount,
    job::{retry::RetryRule, time::Millis},
    policy::{
        credits::Decimal,
        document::Document,
        facts::Wanted,
        inputs,
        problem::{Code, Problem},
        render::{self, TextFault},
        request::{DEADLINE_MINUTES_MAX, PRIORITY_MAX, sha256},
        requires,
        scope::{self, ChangeScope},
        template::{Fallback, PullRequestText, RequiredChecks, Risk, Template},
        text,
    },
};

/// The file as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) version: u32,
    summary: String,
    /// Login of who is told.
    owner: String,
    team: String,
    repositories: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    #[serde(default)]
    labels: Vec<String>,
    reviewers: Option<String>,
    model: Option<String>,
    #[serde(default = "yes")]
    pub(super) pull_request: bool,
    base_ref: Option<String>,
    custom_agent: Option<String>,
    estimate_credits: Decimal,
    #[serde(default = "middle_band")]
    priority: u8,
    #[serde(default = "one")]
    weight: u32,
    deadline_minutes: Option<u32>,
    #[serde(default = "no_inputs")]
    pub(super) inputs: Value,
    scope: ChangeScope,
    #[serde(default)]
    requires: requires::Table,
    #[serde(default)]
    retry: RetryRule,
    prompt: Spanned<String>,
    pub(super) replaces: Option<String>,
    pub(super) deprecated: Option<String>,
    #[serde(default)]
    risk: Risk,
    #[serde(default)]
    pub(super) stop_conditions: Vec<String>,
    pub(super) roll_back: Option<String>,
    #[serde(default)]
    pub(super) commands: Vec<String>,
    #[serde(default)]
    pub(super) pull_request_text: PullRequestText,
    #[serde(default)]
    pub(super) required_checks: Vec<String>,
    #[serde(default = "an_hour")]
    pub(super) checks_within_minutes: u32,
    pub(super) fallback: Option<Fallback>,
}

const fn yes() -> bool {
    true
}
const fn middle_band() -> u8 {
    5
}
const fn an_hour() -> u32 {
    60
}
const fn one() -> u32 {
    1
}
fn no_inputs() -> Value {
    json!({ "properties": {} })
}

impl Template {
    /// Reads and checks one file; `path` must end in `<name>/<version>.toml`. Every problem is told, each with its place.
    pub fn parse(path: &str, source: &str) -> Result<Self, Vec<Problem>> {
        let document = Document { name: path, text: source };
        let file: File = document.parse(Code::BadTemplate).map_err(|problem| vec![problem])?;
        let mut faults = Faults { document, problems: Vec::new() };
        faults.names(&file);
        faults.bounds(&file);
        faults.texts(&file);
        faults.scope(&["scope"], &file.scope);
        faults.terms(&file);
        let estimate = file.estimate_credits.credits().unwrap_or(Amount::ZERO);
        let (schema, validator) = match faults.schema(file.inputs) {
            Ok(read) => read,
            Err(problem) => return Err(faults.problems.into_iter().chain([problem]).collect()),
        };
        let requires = requires::Requires::check(file.requires).unwrap_or_else(|(path, why)| {
            faults.add(&path, &why, "see docs/repositories.md");
            requires::Requires::default()
        });
        let prompt_span = file.prompt.span();
        let mut template = Self {
            name: file.name,
            version: file.version,
            path: path.to_owned(),
            digest: sha256(source.as_bytes()),
            source: source.to_owned(),
            summary: file.summary,
            inputs: schema,
            prompt: file.prompt.into_inner(),
            repositories: lower(file.repositories),
            exclude: lower(file.exclude),
            scope: file.scope,
            requires,
            wanted: Wanted::default(),
            labels: file.labels,
            reviewers: file.reviewers,
            model: file.model,
            pull_request: file.pull_request,
            base_ref: file.base_ref,
            custom_agent: file.custom_agent,
            retry: file.retry,
            estimate,
            priority: file.priority,
            weight: file.weight,
            deadline: file.deadline_minutes.map(|minutes| Millis::minutes(u64::from(minutes))),
            owner: file.owner,
            team: file.team,
            replaces: file.replaces,
            deprecated: file.deprecated,
            risk: file.risk,
            stop_conditions: file.stop_conditions,
            roll_back: file.roll_back,
            commands: file.commands,
            pull_request_text: file.pull_request_text,
            required_checks: (!file.required_checks.is_empty()).then(|| RequiredChecks {
                names: file.required_checks,
                within: Millis::minutes(u64::from(file.checks_within_minutes)),
            }),
            fallback: file.fallback,
            validator,
        };
        template.wanted = template.wants();
        if faults.problems.is_empty() {
            faults.of_texts(&template, prompt_span.start);
        }
        if faults.problems.is_empty() { Ok(template) } else { Err(faults.problems) }
    }
}

fn lower(globs: Vec<String>) -> Vec<String> {
    globs.into_iter().map(|glob| glob.to_ascii_lowercase()).collect()
}

/// Collects what is wrong with one file.
pub(super) struct Faults<'a> {
    pub(super) document: Document<'a>,
    pub(super) problems: Vec<Problem>,
}

impl Faults<'_> {
    pub(super) fn add(&mut self, path: &[&str], what: &str, hint: &str) {
        let problem = Problem::new(Code::BadTemplate, what).hint(hint);
        self.problems.push(self.document.point_at(problem, path));
    }

    /// The inputs, closed to undeclared names. Err: nothing further can be said of them.
    fn schema(&mut self, mut schema: Value) -> Result<(Value, Validator), Problem> {
        inputs::close(&mut schema);
        for (path, why) in inputs::faults(&schema) {
            let path: Vec<&str> = ["inputs"].into_iter().chain(path.iter().map(String::as_str)).collect();
            let hint = "an input is required or has a default, and is described under [inputs.properties]";
            self.add(&path, &why, hint);
        }
        let validator = inputs::compile(&schema).map_err(|why| {
            let problem = Problem::new(Code::BadTemplate, format!("not a JSON Schema: {why}"));
            self.document.point_at(problem.hint("see json-schema.org, draft 2020-12"), &["inputs"])
        })?;
        Ok((schema, validator))
    }

    fn of_texts(&mut self, template: &Template, prompt_start: usize) {
        for TextFault { problem, key, line } in render::faults(template) {
            if key == render::PROMPT {
                self.prompt(problem, prompt_start, line);
            } else {
                let path: Vec<&str> = key.split('.').collect();
                self.problems.push(self.document.point_at(problem, &path));
            }
        }
    }

    fn names(&mut self, file: &File) {
        let hint = "use lower-case letters, digits and `-`, at most 64";
        for (key, value) in
            [("name", Some(&file.name)), ("team", Some(&file.team)), ("reviewers", file.reviewers.as_ref())]
        {
            if value.is_some_and(|value| !text::is_name(value)) {
                self.add(&[key], &format!("`{key}` is not a name"), hint);
            }
        }
        if !text::is_login(&file.owner) {
            self.add(&["owner"], "`owner` is not a login", "write the GitHub login of who is told");
        }
        let wanted = format!("{}/{}.toml", file.name, file.version);
        if file.version == 0 {
            self.add(&["version"], "versions start at 1", "write `version = 1`");
        } else if self.document.name != wanted && !self.document.name.ends_with(&format!("/{wanted}")) {
            let what = format!("this file must be at `{wanted}`, because it says so inside");
            self.add(&["name"], &what, "make path, `name` and `version` agree");
        }
        if file.repositories.is_empty() {
            self.add(
                &["repositories"],
                "no repository is allowed",
                "list globs such as \"acme/*\", or \"*\" for all",
            );
        }
        for (key, globs) in [("repositories", &file.repositories), ("exclude", &file.exclude)] {
            for (index, glob) in globs.iter().enumerate() {
                let plain =
                    |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'*');
                if glob.is_empty() || !glob.bytes().all(plain) {
                    let what = format!("`{}` is not a glob of repositories", text::shorten(glob, 80));
                    self.add(
                        &[key, &index.to_string()],
                        &what,
                        "write owner/name; `*` stands for any run of characters",
                    );
                }
            }
        }
    }

    fn bounds(&mut self, file: &File) {
        if file.priority > PRIORITY_MAX {
            self.add(&["priority"], "not a priority band", "write 0 (first) to 9 (last)");
        }
        if !(1..=1_000).contains(&file.weight) {
            self.add(&["weight"], "not a weight", "write 1 to 1000");
        }
        if file.deadline_minutes.is_some_and(|minutes| !(1..=DEADLINE_MINUTES_MAX).contains(&minutes)) {
            self.add(&["deadline_minutes"], "out of range", "write 1 to 129600 (90 days)");
        }
        if !(1..=10).contains(&file.retry.max_attempts) {
            self.add(
                &["retry", "max_attempts"],
                "out of range",
                "write 1 to 10 attempts, the first included",
            );
        }
        if file.retry.base_ms > file.retry.max_ms {
            self.add(&["retry"], "`base_ms` is over `max_ms`", "make the first wait the shorter one");
        }
        if file.reviewers.is_some() && !file.pull_request {
            let hint = "leave `reviewers` out, or set `pull_request = true`";
            self.add(&["reviewers"], "without a pull request nobody can review", hint);
        }
    }

    fn texts(&mut self, file: &File) {
        let labels = file.labels.iter().map(|label| ("labels", label, 50));
        let lines = file.scope.lines.iter().map(|line| ("scope", line, 500));
        let models = file.model.iter().map(|model| ("model", model, 100));
        let refs = file.base_ref.iter().map(|name| ("base_ref", name, 250));
        let agents = file.custom_agent.iter().map(|name| ("custom_agent", name, 100));
        let summary = [("summary", &file.summary, 200)].into_iter();
        for (key, value, most) in summary.chain(labels).chain(lines).chain(models).chain(refs).chain(agents) {
            self.line(&[key], value, most);
        }
        if let Err(problem) = text::check(file.prompt.get_ref(), "prompt") {
            self.problems.push(self.document.point_at(problem, &["prompt"]));
        }
    }

    /// One line of text that ends up in a prompt or before people.
    pub(super) fn line(&mut self, path: &[&str], value: &str, most: usize) {
        let key = path.first().copied().unwrap_or_default();
        if value.trim().is_empty() || value.chars().count() > most || value.contains('\n') {
            let what =
                format!("a text of `{key}` is empty, longer than {most} characters, or has a line break");
            self.add(path, &what, "write one line");
        }
        if let Err(problem) = text::check(value, key) {
            self.problems.push(self.document.point_at(problem, path));
        }
    }

    pub(super) fn scope(&mut self, path: &[&str], scope: &ChangeScope) {
        if scope.may_change.is_empty() {
            let hint = "list globs such as \"src/**\", or \"**\" for every file";
            self.add(path, "no file may change: `may_change` is empty", hint);
        }
        for (key, globs) in [("may_change", &scope.may_change), ("must_not_change", &scope.must_not_change)] {
            if let Err(why) = scope::compile(globs) {
                self.add(&[path, &[key]].concat(), &why, "`*` stays inside one folder, `**` crosses folders");
            }
        }
    }

    /// A problem of the prompt, told with the line of the file. A line that ends in a backslash goes on in the next
    /// one, and the line break after the opening quotes does not belong to the text.
    fn prompt(&mut self, problem: Problem, start: usize, line: Option<usize>) {
        let text = self.document.text;
        let written = text.get(start..).unwrap_or_default();
        let opening = ["\"\"\"\n", "'''\n"].iter().any(|quotes| written.starts_with(quotes));
        let mut left = line.unwrap_or(1).saturating_sub(1).saturating_add(usize::from(opening));
        let mut from = start;
        for raw in written.split_inclusive('\n') {
            if left == 0 {
                break;
            }
            from = from.saturating_add(raw.len());
            left = left.saturating_sub(usize::from(!raw.ends_with("\\\n")));
        }
        let length = text.get(from..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
        let problem = Problem { at: None, ..problem };
        self.problems.push(self.document.point(problem, &(from..from.saturating_add(length))));
    }
}
