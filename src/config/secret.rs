//! Secrets are never written down in the configuration: it says where each one is, `env:NAME` or `file:PATH`. No
//! message of this module contains a secret.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use crate::policy::problem::{Code, Problem};

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// A variable of the environment.
    Env(String),
    /// A file; a relative path starts at the folder of the configuration file, and `$CREDENTIALS_DIRECTORY/` at that of the
    /// unit's credentials. One trailing line break is cut off.
    File(PathBuf),
}

/// Something else than a reference; it is not repeated, because it may be the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("only a reference to a secret may stand here: write env:NAME or file:PATH")]
pub struct LiteralSecret;

/// A secret that was found.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub secret: SecretString,
    /// Set when others can read the file.
    pub warning: Option<String>,
}

impl SecretRef {
    /// Reads the secret now.
    pub fn resolve(&self, env: &BTreeMap<String, String>, folder: &Path) -> Result<Resolved, Problem> {
        let problem =
            |what: String, hint: &str| Problem::new(Code::BadSecret, what).at(self.to_string()).hint(hint);
        let (text, warning) = match self {
            Self::Env(name) => {
                let hint = "set it in the environment of this process, or use file:PATH";
                let value = env.get(name);
                let value = value
                    .ok_or_else(|| problem("the variable is not set, or is not text".to_owned(), hint))?;
                (value.clone(), None)
            }
            Self::File(path) => {
                let Some(path) = place(path, env) else {
                    let what = format!("the variable {CREDENTIALS} is not set");
                    let hint = "a unit of systemd sets it with LoadCredential=; elsewhere write the path";
                    return Err(problem(what, hint));
                };
                let path = folder.join(path);
                let told = path.display();
                let bytes = fs::read(&path).map_err(|error| {
                    problem(
                        format!("the file {told} cannot be read: {error}"),
                        "check its path and who may read it",
                    )
                })?;
                let text = String::from_utf8(bytes).map_err(|_| {
                    problem(format!("the file {told} is not UTF-8"), "save the secret alone, as text")
                })?;
                (text, exposed(&path))
            }
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let secret = SecretString::from(text.strip_suffix('\r').unwrap_or(text));
        let value = secret.expose_secret();
        if value.trim().is_empty() {
            return Err(problem("the secret is empty".to_owned(), "put the secret there"));
        }
        if value.trim() != value || value.chars().any(char::is_control) {
            let what = "the secret begins or ends with a space, or holds a line break".to_owned();
            return Err(problem(what, "put the secret there alone, on one line"));
        }
        Ok(Resolved { secret, warning })
    }
}

/// Where systemd puts the credentials of a unit.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// With `$CREDENTIALS_DIRECTORY` at its beginning filled in; None: it is not set.
fn place(path: &Path, env: &BTreeMap<String, String>) -> Option<PathBuf> {
    match path.strip_prefix(format!("${CREDENTIALS}")) {
        Ok(rest) => Some(Path::new(env.get(CREDENTIALS)?).join(rest)),
        Err(_) => Some(path.to_owned()),
    }
}

/// A warning if people other than the owner's group can read the file.
#[cfg(unix)]
pub(super) fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let told = path.display();
    (mode & 0o004 != 0)
        .then(|| format!("everybody on this machine can read the secret in {told}: chmod 600 {told}"))
}
#[cfg(not(unix))]
pub(super) fn exposed(_path: &Path) -> Option<String> {
    None
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromStr for SecretRef {
    type Err = LiteralSecret;
    fn from_str(text: &str) -> Result<Self, LiteralSecret> {
        let variable = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        };
        match text.split_once(':') {
            Some(("env", name)) if variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.trim().is_empty() => Ok(Self::File(PathBuf::from(path))),
            _ => Err(LiteralSecret),
        }
    }
}

impl<'de> Deserialize<'de> for SecretRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reference)
    }
}

/// Whatever stands in the place of a reference may be the secret itself: no message may repeat it.
struct Reference;

impl de::Visitor<'_> for Reference {
    type Value = SecretRef;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("env:NAME or file:PATH")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretRef, E> {
        text.parse().map_err(E::custom)
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(E::custom(LiteralSecret))
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(E::custom(LiteralSecret))
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(E::custom(LiteralSecret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SecretRef, toml::de::Error> {
        let mut table: BTreeMap<String, SecretRef> = toml::from_str(&format!("x = {text}"))?;
        Ok(table.remove("x").unwrap())
    }

    #[test]
    fn only_references_are_accepted_and_a_literal_is_not_repeated() {
        assert_eq!(read("\"env:GITHUB_TOKEN\"").unwrap(), SecretRef::Env("GITHUB_TOKEN".into()));
        assert_eq!(read("\"file:a/b\"").unwrap(), SecretRef::File("a/b".into()));
        for text in ["\"ghp_hunter2\"", "\"env:hunter2\"", "\"env:\"", "\"file:\"", "[\"hunter2\"]", "22222"]
        {
            let error = read(text).unwrap_err();
            assert!(error.message().contains("env:NAME or file:PATH"), "{text}");
            assert!(!error.message().contains("hunter2") && !error.message().contains("22222"), "{text}");
        }
    }

    #[test]
    fn a_secret_is_read_without_its_line_break_and_an_empty_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |text: &str| {
            fs::write(folder.path().join("s"), text).unwrap();
            SecretRef::File("s".into()).resolve(&BTreeMap::new(), folder.path())
        };
        assert_eq!(secret("hunter2\n").unwrap().secret.expose_secret(), "hunter2");
        assert_eq!(secret("hunter2\r\n").unwrap().secret.expose_secret(), "hunter2");
        for text in ["", "\n", "  \n", "a\nb\n", " a"] {
            let told = secret(text).unwrap_err().to_string();
            assert!(told.starts_with("file:s: the secret"), "{told}");
        }
        let env = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        assert!(SecretRef::Env("A".into()).resolve(&env, folder.path()).is_ok());
        let told = SecretRef::Env("B".into()).resolve(&env, folder.path()).unwrap_err().to_string();
        assert!(told.starts_with("env:B: the variable is not set"), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn a_credential_of_the_unit_is_found_where_systemd_puts_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("github-token"), "s3cret\n").unwrap();
        let reference = read("\"file:$CREDENTIALS_DIRECTORY/github-token\"").unwrap();
        let env = BTreeMap::from([(CREDENTIALS.to_owned(), folder.path().display().to_string())]);
        let found = reference.resolve(&env, Path::new("/nowhere")).unwrap();
        assert_eq!(found.secret.expose_secret(), "s3cret");
        let told = reference.resolve(&BTreeMap::new(), Path::new("/nowhere")).unwrap_err().to_string();
        assert!(told.contains("the variable CREDENTIALS_DIRECTORY is not set"), "{told}");
    }

    #[test]
    fn a_file_that_everybody_can_read_is_warned_about() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "hunter2").unwrap();
        for (mode, warned) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let resolved = SecretRef::File("s".into()).resolve(&BTreeMap::new(), folder.path()).unwrap();
            assert_eq!(resolved.warning.is_some(), warned, "{mode:o}");
        }
    }
}
