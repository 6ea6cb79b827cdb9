//! The demo's folder: configuration, template, scenario and secrets of its own, so that nothing of the user's is touched.
//! Removed at the end unless it is to be kept.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::cli::exit::{CliError, Exit};

const CONFIGURATION: &str = include_str!("../../../config/demo/sluice.toml");
const SCENARIO: &str = include_str!("../../../config/scenarios/demo.toml");
const TEMPLATE: &str = include_str!("../../../config/templates/dependency-upgrade/1.toml");
/// The stand-in's token, as its scenario tells everybody.
const GITHUB_TOKEN: &str = "sim-token";
/// Signs notices to a receiver that lives as long as the demo does.
pub const WEBHOOK_SECRET: &str = "whsec_c2x1aWNlZ2F0ZSBkZW1vOiBub3RoaW5nIHNlY3JldCE=";

/// What the shipped template says for agents that take minutes, and what it must say for ours.
const FASTER: [(&str, &str); 1] = [("base_ms = 60_000", "base_ms = 600")];

/// A folder with everything in it.
pub struct Scene {
    folder: PathBuf,
    keep: bool,
}

impl Scene {
    pub fn build(keep: bool) -> Result<Self, CliError> {
        let folder = new_folder().map_err(|error| failed(&std::env::temp_dir(), &error))?;
        let scene = Self { folder, keep };
        scene.write("templates/dependency-upgrade/1.toml", &replaced(TEMPLATE, &FASTER)?)?;
        scene.write("scenario.toml", SCENARIO)?;
        scene.write_secret("github-token", GITHUB_TOKEN)?;
        scene.write_secret("webhook-secret", WEBHOOK_SECRET)?;
        Ok(scene)
    }

    /// Writes the configuration, now that the stand-in's address is known.
    pub fn address(&self, simulator: &str) -> Result<(), CliError> {
        self.write("sluice.toml", &replaced(CONFIGURATION, &[("http://127.0.0.1:4300", simulator)])?)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
    pub const fn is_kept(&self) -> bool {
        self.keep
    }
    pub fn token_file(&self) -> PathBuf {
        self.folder.join("token")
    }

    fn write_secret(&self, name: &str, text: &str) -> Result<(), CliError> {
        let path = self.folder.join(name);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failed(&path, &error))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), CliError> {
        let path = self.folder.join(name);
        let written = match path.parent() {
            Some(parent) => fs::create_dir_all(parent).and_then(|()| fs::write(&path, text)),
            None => fs::write(&path, text),
        };
        written.map_err(|error| failed(&path, &error))
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed from the folder for temporary files is the system's to remove.
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::new(Exit::Failure, format!("setting up the demo failed at {}: {error}", path.display()))
        .hint("set TMPDIR to a folder that can be written to")
}

/// Ours alone: secrets are in it.
fn new_folder() -> io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let folder = std::env::temp_dir().join(format!("sluice-demo-{}-{number}", std::process::id()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1_000 => number += 1,
            created => return created.map(|()| folder),
        }
    }
}

/// Each text must be there, so that a changed file cannot quietly slow the demo down or send it elsewhere.
fn replaced(text: &str, changes: &[(&str, &str)]) -> Result<String, CliError> {
    let mut text = text.to_owned();
    for (from, to) in changes {
        if !text.contains(from) {
            let what = format!("the demo's files do not fit together: `{from}` is missing");
            return Err(CliError::new(Exit::Failure, what));
        }
        text = text.replace(from, to);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config;

    #[test]
    fn the_demos_files_fit_together_and_leave_nothing_behind() {
        let scene = Scene::build(false).unwrap();
        scene.address("http://127.0.0.1:9").unwrap();
        let summary = config::check(Some(&scene.folder().join("sluice.toml")), &BTreeMap::new()).unwrap();
        assert_eq!(
            (summary.templates, summary.identity.as_str()),
            (vec!["dependency-upgrade@1".to_owned()], "operator")
        );
        let text = fs::read_to_string(scene.folder().join("sluice.toml")).unwrap();
        assert!(text.contains("base_url = \"http://127.0.0.1:9\"") && !text.contains("4300"));
        let folder = scene.folder().to_owned();
        drop(scene);
        assert!(!folder.exists());
    }

    #[test]
    fn the_demos_request_is_one() {
        let request = crate::policy::Request::parse_toml("request.toml", crate::cli::demo::REQUEST).unwrap();
        assert_eq!(request.repositories.len(), 12);
    }
}
