//! A policy that is tried before it counts: a folder laid out like that of the configuration, or a part of one. What it does not
//! have is taken from the configuration in force.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    config::{ConfigError, Loaded, Settings},
    policy::problem::{Code, Problem},
};

const SETTINGS: &str = "sluice.toml";
const REPOSITORIES: &str = "repositories.toml";
const FREEZES: &str = "freezes.toml";

/// Where one part of the policy comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub part: &'static str,
    /// None: there is none.
    pub from: Option<String>,
}

/// The settings under which the folder is tried.
pub fn candidate(
    folder: &Path,
    in_force: &Loaded,
    env: &BTreeMap<String, String>,
) -> Result<(Loaded, Vec<Taken>), ConfigError> {
    let file = folder.join(SETTINGS);
    let loaded = if file.is_file() {
        Settings::load(Some(&file), env)?
    } else {
        patched(folder, in_force).ok_or_else(|| {
            let what = format!("there is neither `{SETTINGS}` nor a folder `templates` nor `{REPOSITORIES}`");
            Problem::new(Code::Unreadable, what)
                .at(folder.display().to_string())
                .hint("name a folder laid out like config/, or one with some of its files")
        })?
    };
    let policy = &loaded.settings.policy;
    let place = |path: &PathBuf| loaded.folder.join(path).display().to_string();
    let taken = vec![
        Taken { part: "settings", from: loaded.file.as_ref().map(|file| file.display().to_string()) },
        Taken { part: "templates", from: Some(place(&policy.templates)) },
        Taken { part: "rules of repositories", from: policy.repositories_file.as_ref().map(place) },
        Taken { part: "freezes", from: policy.freezes_file.as_ref().map(place) },
    ];
    Ok((loaded, taken))
}

/// The configuration in force, with the files that the folder has under the same names; None: it has none of them.
fn patched(folder: &Path, in_force: &Loaded) -> Option<Loaded> {
    // The rest keeps its own folder.
    let folder = std::path::absolute(folder).ok()?;
    let mut loaded = in_force.clone();
    let policy = &mut loaded.settings.policy;
    let templates = there(&folder, Some(&policy.templates), "templates");
    let repositories = there(&folder, policy.repositories_file.as_deref(), REPOSITORIES);
    let freezes = there(&folder, policy.freezes_file.as_deref(), FREEZES);
    if templates.is_none() && repositories.is_none() && freezes.is_none() {
        return None;
    }
    policy.templates = templates.unwrap_or_else(|| policy.templates.clone());
    policy.repositories_file = repositories.or_else(|| policy.repositories_file.clone());
    policy.freezes_file = freezes.or_else(|| policy.freezes_file.clone());
    Some(loaded)
}

/// What the configuration names, or else what it is usually called, if the folder has it.
fn there(folder: &Path, named: Option<&Path>, usual: &str) -> Option<PathBuf> {
    let named = named.filter(|path| path.is_relative()).unwrap_or(Path::new(usual));
    Some(folder.join(named)).filter(|path| path.exists())
}
