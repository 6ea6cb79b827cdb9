//! The token of the local endpoint: made at the first start, kept in a file that only its owner can read.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::Context as _;
use secrecy::SecretString;

use crate::{clock::Entropy, policy::access::bearer};

/// Letters and digits that hold 128 bits: nothing else stands between a guess and everything.
const LENGTH_MIN: usize = 22;

/// Reads the token, or makes one with mode 0600 when the file is missing.
pub fn load_or_make(path: &Path, entropy: &Entropy) -> anyhow::Result<SecretString> {
    let named = || format!("the token file {}", path.display());
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let token = text.trim();
            anyhow::ensure!(
                token.len() >= LENGTH_MIN,
                "{} holds no token of at least {LENGTH_MIN} characters: remove it, and a new one is made",
                named()
            );
            anyhow::ensure!(
                !bearer::names_its_bearer(token),
                "{} holds the token of somebody, and the daemon's own is expected there: name another file as `token_file`, \
                 or remove it, and a new one is made",
                named()
            );
            Ok(token.to_owned().into())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder).with_context(named)?;
            }
            let token = format!("{:032x}{:032x}", entropy.draw_wide(), entropy.draw_wide());
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .with_context(named)?;
            writeln!(file, "{token}").with_context(named)?;
            Ok(token.into())
        }
        Err(error) => Err(error).with_context(named),
    }
}
