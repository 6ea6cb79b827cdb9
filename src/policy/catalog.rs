//! All templates of an installation, by name and version.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use crate::policy::{
    document::Document,
    hint,
    problem::{Code, Problem},
    template::Template,
};

/// Every version of every template.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    templates: BTreeMap<(String, u32), Arc<Template>>,
}

impl Catalog {
    /// Each file with the path that people know it by; it must end in `<name>/<version>.toml`. All problems
    /// of all files are told at once.
    pub fn load(files: Vec<(String, String)>) -> Result<Self, Vec<Problem>> {
        let mut templates = BTreeMap::new();
        let mut problems = Vec::new();
        for (path, text) in files {
            match Template::parse(&path, &text) {
                Ok(template) => {
                    let (name, version) = (template.name.clone(), template.version);
                    match templates.entry((name, version)) {
                        Entry::Occupied(there) => {
                            let what = format!("{}@{} is already there", there.key().0, there.key().1);
                            problems.push(Problem::new(Code::DuplicateTemplate, what).at(path));
                        }
                        Entry::Vacant(free) => {
                            free.insert(Arc::new(template));
                        }
                    }
                }
                Err(found) => problems.extend(found),
            }
        }
        let catalog = Self { templates };
        if problems.is_empty() {
            problems = catalog.iter().filter_map(|template| catalog.lineage_fault(template)).collect();
        }
        if problems.is_empty() { Ok(catalog) } else { Err(problems) }
    }

    /// A template must replace one that is there, and following the line back must come to an end.
    fn lineage_fault(&self, template: &Template) -> Option<Problem> {
        let of = |template: &Template| {
            let (name, version) = template.replaces.as_deref()?.split_once('@')?;
            Some((name.to_owned(), version.parse::<u32>().ok()?))
        };
        let told = |what: String, hint: &str| {
            let problem = Problem::new(Code::BadLineage, what).hint(hint);
            let document = Document { name: &template.path, text: &template.source };
            Some(document.point_at(problem, &["replaces"]))
        };
        let mut line = vec![template.id()];
        let mut next = of(template);
        while let Some(key) = next {
            let Some(before) = self.templates.get(&key) else {
                // A gap further back is told of the template that has it.
                let what = format!("it replaces `{}@{}`, which is not there", key.0, key.1);
                let hint = "keep the file of the old version, with `deprecated`: what it did stays explained";
                return if line.len() == 1 { told(what, hint) } else { None };
            };
            line.push(before.id());
            if before.id() == template.id() {
                let what = format!("templates replace each other in a circle: {}", line.join(" replaces "));
                return told(what, "let the oldest one replace nothing");
            }
            if line.len() > self.templates.len() {
                // It leads into a circle that it is not part of; the ones in it tell.
                return None;
            }
            next = of(before);
        }
        None
    }

    /// The versions that say that they replace this one.
    pub fn replaced_by(&self, id: &str) -> impl Iterator<Item = &Arc<Template>> {
        self.iter().filter(move |template| template.replaces.as_deref() == Some(id))
    }

    /// None: the newest version.
    pub fn get(&self, name: &str, version: Option<u32>) -> Result<&Arc<Template>, Problem> {
        let newest = self.versions(name).next_back();
        let Some(newest) = newest else {
            let mut names: Vec<&str> = self.iter().map(|template| template.name.as_str()).collect();
            names.dedup();
            let what = format!("there is no template `{name}`");
            let problem = Problem::new(Code::UnknownTemplate, what).at("template");
            return Err(problem.hint(hint::did_you_mean(name, &names)));
        };
        match version {
            None => Ok(newest),
            Some(version) => self.templates.get(&(name.to_owned(), version)).ok_or_else(|| {
                let known: Vec<String> =
                    self.versions(name).map(|template| template.version.to_string()).collect();
                let what = format!("the template `{name}` has no version {version}");
                let problem = Problem::new(Code::UnknownTemplate, what).at("template");
                problem.hint(format!("versions: {}", known.join(", ")))
            }),
        }
    }

    /// By name, then version.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Template>> {
        self.templates.values()
    }

    fn versions(&self, name: &str) -> impl DoubleEndedIterator<Item = &Arc<Template>> {
        self.templates.range((name.to_owned(), 0)..=(name.to_owned(), u32::MAX)).map(|(_, template)| template)
    }
}
