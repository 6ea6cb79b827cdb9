//! Reads the folder of templates and checks what a template can only be held against once the rest of the
//! configuration is known.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    budget::glob::matches,
    config::{ConfigError, Loaded, Settings, read_text},
    policy::{
        Catalog, Template,
        approval::{Need, People},
        hint,
        problem::{Code, Problem},
        text,
    },
};

/// Every template of the installation, each usable under its configuration.
pub fn load_catalog(loaded: &Loaded) -> Result<Catalog, ConfigError> {
    let root = loaded.folder.join(&loaded.settings.policy.templates);
    let mut texts = Vec::new();
    let mut problems = Vec::new();
    for path in files(&root)? {
        match read_text(&path) {
            Ok(text) => texts.push((path.display().to_string(), text)),
            Err(problem) => problems.push(problem),
        }
    }
    let catalog = Catalog::load(texts).unwrap_or_else(|found| {
        problems.extend(found);
        Catalog::default()
    });
    for template in catalog.iter() {
        problems.extend(mismatches(template, &loaded.settings));
    }
    if problems.is_empty() {
        problems.extend(loaded.settings.schedules.iter().flat_map(|schedule| schedule.faults(&catalog)));
        problems.extend(loaded.settings.hooks.iter().flat_map(|hook| hook.faults(&catalog)));
    }
    if problems.is_empty() { Ok(catalog) } else { Err(ConfigError(problems)) }
}

/// `<name>/<version>.toml` below the root, in order; other names are not ours.
fn files(root: &Path) -> Result<Vec<PathBuf>, Problem> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        files.extend(
            entries(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "toml")),
        );
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let unreadable = |error: std::io::Error| {
        Problem::new(Code::Unreadable, format!("the folder of templates cannot be read: {error}"))
            .at(folder.display().to_string())
            .hint("set [policy] templates; a relative path starts at the folder of the configuration file")
    };
    let found: Result<Vec<PathBuf>, std::io::Error> =
        fs::read_dir(folder).and_then(|list| list.map(|entry| entry.map(|entry| entry.path())).collect());
    let mut found = found.map_err(unreadable)?;
    found.sort_unstable();
    Ok(found)
}

fn mismatches(template: &Template, settings: &Settings) -> Vec<Problem> {
    let at = format!("template {}@{}", template.name, template.version);
    let mut problems = Vec::new();
    if let Some(pool) = template.reviewers.as_ref().filter(|pool| !settings.rules.pools.contains_key(*pool)) {
        let known: Vec<&str> = settings.rules.pools.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            format!("add [[pool]] with `name = \"{pool}\"`")
        } else {
            hint::did_you_mean(pool, &known)
        };
        let what = format!("its reviewer pool `{pool}` is not configured");
        problems.push(Problem::new(Code::UnknownPool, what).at(&at).hint(hint));
    }
    let asked = template.waves.as_ref().and_then(|waves| waves.approvals.as_ref());
    if let Some(asked) = asked {
        let need = Need { reason: "wave".to_owned(), count: asked.count, role: asked.role.clone() };
        let people = People(settings.people.clone());
        if let Err(found) = people.can_meet(&need, "") {
            let what = format!(
                "its waves ask for {} of role `{}`, which {found} people have",
                need.count, need.role
            );
            let hint = format!("add [[person]] with `roles = [\"{}\"]`", need.role);
            problems.push(Problem::new(Code::NobodyMayApprove, what).at(&at).hint(hint));
        }
    }
    let model = template.model.as_ref().or(settings.policy.default_model.as_ref());
    let allowed = &settings.policy.models;
    if let Some(model) =
        model.filter(|model| !allowed.is_empty() && !allowed.iter().any(|glob| matches(glob, model)))
    {
        let what = format!("its model `{}` is not allowed", text::shorten(model, 80));
        let hint = format!("[policy] models allows: {}", text::shorten(&allowed.join(", "), 200));
        problems.push(Problem::new(Code::ModelNotAllowed, what).at(&at).hint(hint));
    }
    problems
}
