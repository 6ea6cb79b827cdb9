//! What `[[hook]]` means, and the secrets of each.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::{
    config::{
        ConfigError, Loaded, SecretRef,
        limits::Faults,
        sections::{Settings, within},
    },
    policy::{
        hook::{Hook, signature::Keys, written},
        problem::{Code, Problem},
    },
};

/// A shorter secret is warned of.
const SECRET_BYTES_MIN: usize = 16;

/// What becomes of what comes in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Deliveries {
    /// Deliveries are kept for so many days, with what they say; 1 to 3,650.
    #[serde(deserialize_with = "within::<_, u64, 1, 3_650>")]
    pub keep_days: u64,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { keep_days: 30 }
    }
}

/// A hook with the secrets by which its deliveries are known.
#[derive(Clone, Debug)]
pub struct Door {
    pub hook: Hook,
    pub keys: Keys,
}

impl Faults<'_> {
    pub(super) fn hooks(&mut self, settings: &mut Settings) {
        let mut hooks: Vec<Hook> = Vec::new();
        for (index, written) in settings.written_hooks.iter().enumerate() {
            let index = index.to_string();
            let place = |field: &str| {
                let path = ["hook", &index].into_iter().chain(field.split('.'));
                self.place(&path.collect::<Vec<_>>())
            };
            let hook = match written::read(written, place) {
                Ok(hook) => hook,
                Err(problems) => {
                    for problem in problems {
                        let field = problem.at.clone().unwrap_or_default();
                        let path = ["hook", &index].into_iter().chain(field.split(['.', '[', ']']));
                        let path: Vec<&str> = path.filter(|part| !part.is_empty()).collect();
                        self.told(&path, problem);
                    }
                    continue;
                }
            };
            if let Some(other) = hooks.iter().find(|other| other.name == hook.name) {
                let what = format!("the hook `{}` is there twice, first at {}", hook.name, other.at);
                let problem = Problem::new(Code::BadHook, what);
                self.told(&["hook", &index, "name"], problem.hint("give one of them another name"));
            }
            hooks.push(hook);
        }
        settings.hooks = hooks;
    }
}

/// Every hook of the installation, ready for deliveries. Secrets are read now.
pub fn load_doors(loaded: &Loaded, env: &BTreeMap<String, String>) -> Result<Vec<Door>, ConfigError> {
    let settings = &loaded.settings;
    let mut problems = Vec::new();
    let mut doors = Vec::new();
    for (written, hook) in settings.written_hooks.iter().zip(&settings.hooks) {
        let mut keys = Keys::default();
        for reference in &written.secrets {
            let added = reference.resolve(env, &loaded.folder).and_then(|resolved| {
                keys.add(&hook.proof, &resolved.secret).map_err(|error| {
                    let hint =
                        "use a secret as Standard Webhooks has it: whsec_ and 24 to 64 bytes in base64";
                    Problem::new(Code::BadSecret, error.to_string()).at(reference.to_string()).hint(hint)
                })
            });
            problems.extend(added.err());
        }
        doors.push(Door { hook: hook.clone(), keys });
    }
    if problems.is_empty() { Ok(doors) } else { Err(ConfigError(problems)) }
}

/// Secrets that could be guessed.
pub(super) fn weak(loaded: &Loaded, env: &BTreeMap<String, String>) -> Vec<String> {
    let short = |reference: &SecretRef| {
        let resolved = reference.resolve(env, &loaded.folder).ok();
        resolved.is_some_and(|resolved| resolved.secret.expose_secret().len() < SECRET_BYTES_MIN)
    };
    let references = loaded.settings.written_hooks.iter().flat_map(|hook| &hook.secrets);
    let told = |reference: &SecretRef| {
        format!("{reference}: a secret of a webhook of fewer than {SECRET_BYTES_MIN} bytes could be guessed")
    };
    references.filter(|reference| short(reference)).map(told).collect()
}
