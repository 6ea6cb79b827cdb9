//! What a prompt may be told of one repository beside its name: from the repository itself, and from the operator's rule.

use std::collections::BTreeSet;

use minijinja::{context, value::Value};

use crate::policy::{
    codeowners::Codeowners,
    facts::{About, FileFact, RepositoryFacts, Wanted},
    free_text::FreeText,
    render,
    repositories::{Class, Criticality, RepositoryRule},
    requires::Manifest,
    template::Template,
};

impl Template {
    /// True if its work counts only once checks are green.
    pub fn needs_green_checks(&self) -> bool {
        self.requires.green_checks || self.required_checks.is_some()
    }

    /// True if the texts print something that one repository may have and another may not.
    pub(super) fn tells_of_repository(&self) -> bool {
        !self.wanted.is_nothing() || render::named(self).contains("repository.test_command")
    }

    /// What must be known of a repository for what is required there, and for what the texts name of it.
    pub(super) fn wants(&self) -> Wanted {
        let mut wants = self.requires.wanted();
        wants = wants.and(wanted(&render::named(self), self.requires.manifest.as_ref()));
        if self.needs_green_checks() {
            (wants.about, wants.agent) = (true, true);
        }
        wants
    }
}

/// What must be known for names such as `repository.languages`.
fn wanted(named: &BTreeSet<String>, manifest: Option<&Manifest>) -> Wanted {
    let whole = named.contains("repository");
    let names = |part: &str| {
        let path = format!("repository.{part}");
        whole || named.iter().any(|name| *name == path || name.starts_with(&format!("{path}.")))
    };
    let file = manifest.filter(|_| names("manifest")).map(|manifest| manifest.file.clone());
    let mut wanted = Wanted {
        about: names("default_branch"),
        languages: names("languages"),
        workflows: names("workflows"),
        codeowners: names("codeowners"),
        files: file.into_iter().collect(),
        ..Wanted::default()
    };
    wanted.about |= !wanted.is_nothing();
    wanted
}

/// What a prompt may be told of one repository beside its name. Whatever comes from the repository is data.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    values: Value,
}

impl Surroundings {
    /// What is not known is null: a prompt can test for it, and cannot print it.
    pub fn of(template: &Template, rule: Option<&RepositoryRule>, facts: &RepositoryFacts) -> Self {
        let word =
            |text: &str| if is_word(text) { Value::from(text) } else { FreeText::value(text.to_owned()) };
        let words = |list: &Vec<String>| list.iter().map(|text| word(text)).collect::<Value>();
        let none = || Value::from(());
        let owners = |text: &String| words(&Codeowners::parse(text).owners_among(&template.scope.may_change));
        let manifest = template.requires.manifest.as_ref().and_then(|manifest| {
            match facts.files.get(&manifest.file)? {
                FileFact::Text(text) => Some(FreeText::value(text.clone())),
                FileFact::Absent | FileFact::Present => None,
            }
        });
        // The rule is the operator's own text.
        let command = rule.and_then(|rule| rule.test_command.as_deref()).map(Value::from);
        Self {
            values: context! {
                default_branch => facts.default_branch().map_or_else(none, word),
                languages => facts.languages.as_ref().map_or_else(none, words),
                workflows => facts.workflows.as_ref().map_or_else(none, words),
                codeowners => facts.codeowners.as_ref().map_or_else(none, owners),
                test_command => command.unwrap_or_else(none),
                manifest => manifest.unwrap_or_else(none),
            },
        }
    }

    pub(super) fn values(&self) -> Value {
        self.values.clone()
    }

    /// Made up, to try a prompt with.
    pub(super) fn sample(template: &Template) -> Self {
        let rule = RepositoryRule {
            matching: "*".to_owned(),
            team: None,
            class: Class::Standard,
            criticality: Criticality::Normal,
            templates: Vec::new(),
            owners: Vec::new(),
            owners_pool: None,
            test_command: Some("make test".to_owned()),
            on_open_pull: None,
            at: String::new(),
        };
        let some = || Some(vec!["sample".to_owned()]);
        let mut facts =
            RepositoryFacts { languages: some(), workflows: some(), ..RepositoryFacts::default() };
        facts.codeowners = Some("* @sample".to_owned());
        facts.about = Some(About { default_branch: "main".to_owned(), ..About::default() });
        let manifest = template.requires.manifest.iter().map(|manifest| manifest.file.clone());
        facts.files.extend(manifest.map(|path| (path, FileFact::Text("sample".to_owned()))));
        Self::of(template, Some(&rule), &facts)
    }
}

/// A text that can do no harm in a sentence: one word of a branch, a language, a login or a team.
fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '@' | '+' | '#');
    (1..=100).contains(&text.len()) && text.chars().all(plain)
}
