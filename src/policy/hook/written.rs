//! A webhook as people write it in the configuration, and what it means. A mistake is told with the path of its field.

use serde::Deserialize;

use crate::{
    job::time::Millis,
    policy::{
        Problem,
        hook::{Hook, Kind, Proof},
    },
};

/// One `[[hook]]`. `S` says where a secret is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written<S> {
    pub name: String,
    pub kind: Kind,
    /// Where the secrets are: one, or two while one is replaced.
    pub secrets: Vec<S>,
}

/// What it means, or everything that is wrong with it. `at`: where it stands.
pub fn read<S>(written: &Written<S>, at: &str) -> Result<Hook, Vec<Problem>> {
    Ok(Hook {
        name: written.name.clone(),
        kind: written.kind,
        proof: Proof::Hmac { header: "x-hub-signature-256".to_owned() },
        max_age: Millis::minutes(5),
        id_header: None,
        event: None,
        rules: Vec::new(),
        at: at.to_owned(),
    })
}
