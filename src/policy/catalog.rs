//! All templates of an installation, by name and version.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use crate::policy::{
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
        if problems.is_empty() { Ok(Self { templates }) } else { Err(problems) }
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
