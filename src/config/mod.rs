//! What the operator set: one TOML file, overlaid by environment variables, and the templates beside it. Read
//! strictly; every mistake is told with its place. The only module that reads the environment. It resolves no
//! secret by itself and starts nothing.
//!
//! Relative paths: templates and `file:` secrets start at the folder of the configuration file, the ledger and the
//! token file at the working directory.

pub mod audit;
mod budgets;
pub mod candidate;
pub mod check;
pub mod desk;
pub mod endpoint;
pub mod freezes;
pub mod hooks;
mod limits;
mod models;
mod notice_routes;
pub mod notices;
mod overlay;
mod receivers;
pub mod repositories;
mod schedules;
pub mod secret;
pub mod sections;
pub mod templates;
pub mod watching;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

pub use candidate::candidate;
pub use check::{Summary, check};
pub use freezes::load_freezes;
pub use hooks::load_doors;
pub use repositories::load_repositories;
pub use secret::SecretRef;
pub use sections::{Identity, Settings};
pub use templates::load_catalog;

use crate::policy::{
    document::{self, Document},
    problem::{Code, Problem},
};

/// Where a configuration file is looked for when none is named.
pub const PLACES: [&str; 2] = ["sluice.toml", "config/sluice.toml"];
/// Names the configuration file when the command line does not.
pub const FILE_VARIABLE: &str = "SLUICE_CONFIG";

/// The configuration cannot be used: everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<Problem>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let line = if index == 0 { "" } else { "\n" };
            write!(f, "{line}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// A configuration that was read and checked by itself; templates and secrets are read later.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub settings: Settings,
    /// None: no file was found, everything is at its default.
    pub file: Option<PathBuf>,
    /// Where templates and secret files start.
    pub folder: PathBuf,
    /// Allowed, and probably not meant.
    pub warnings: Vec<String>,
}

impl Settings {
    /// Reads the file at `path`, or the one that `SLUICE_CONFIG` names, or the first of `PLACES` that exists, or
    /// takes the defaults; then overlays `SLUICE_<SECTION>__<KEY>`.
    pub fn load(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Loaded, ConfigError> {
        let named = path.map(Path::to_owned).or_else(|| env.get(FILE_VARIABLE).map(PathBuf::from));
        let file = named.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.is_file()));
        let (name, text) = match &file {
            Some(path) => (path.display().to_string(), read_text(path)?),
            None => ("configuration".to_owned(), String::new()),
        };
        let document = Document { name: &name, text: &text };
        let written: Self = document.parse(Code::BadConfig)?;
        let mut settings = overlay::apply(written, &text, env)?;
        let warnings = limits::settle(&mut settings, &document, env)?;
        let folder = file.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        Ok(Loaded { settings, file, folder, warnings })
    }
}

/// True for plain http to this very machine.
pub fn is_local_http(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(limits::is_local)
}

/// The environment of this process, as far as it is text.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// The words that this process was started with.
pub fn command_line() -> Vec<std::ffi::OsString> {
    std::env::args_os().collect()
}

/// A text file, with its name in every error.
pub fn read_text(path: &Path) -> Result<String, Problem> {
    let name = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "check the path; relative paths start at the working directory",
            io::ErrorKind::PermissionDenied => "let this user read it",
            _ => "check that it is a plain file",
        };
        Problem::new(Code::Unreadable, format!("cannot be read: {error}")).at(&name).hint(hint)
    })?;
    document::utf8(&name, &bytes).map(str::to_owned)
}
