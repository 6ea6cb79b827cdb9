//! Our signatures for programs of others: `ops/signature-check` asks it to judge what their libraries sign, and to sign what they
//! judge. One JSON object per line comes in, one word goes out.

use std::io::{self, BufRead, Write};

use anyhow::Context as _;
use serde::Deserialize;
use sluicegate::{
    job::time::Timestamp,
    policy::{
        hook::{
            Written,
            signature::{Keys, verify},
            written,
        },
        standard_webhooks::SigningKey,
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ask {
    /// `hook`: TOML as in the configuration, its secrets written out.
    Verify {
        hook: String,
        headers: std::collections::BTreeMap<String, String>,
        body: String,
        now_ms: i64,
    },
    Sign {
        secret: String,
        id: String,
        seconds: i64,
        body: String,
    },
}

fn answer(ask: Ask) -> anyhow::Result<String> {
    match ask {
        Ask::Verify { hook, headers, body, now_ms } => {
            let written: Written<String> = toml::from_str(&hook)?;
            let hook =
                written::read(&written, str::to_owned).map_err(|found| anyhow::anyhow!("{found:?}"))?;
            let mut keys = Keys::default();
            for secret in written.secrets {
                keys.add(&hook.proof, &secret.into())?;
            }
            let header = |name: &str| headers.get(name).map(String::as_str);
            let verified = verify(&hook, &keys, header, body.as_bytes(), Timestamp(now_ms));
            Ok(verified.map_or_else(|fault| fault.code().to_owned(), |verified| verified.delivery_id))
        }
        Ask::Sign { secret, id, seconds, body } => {
            Ok(SigningKey::parse(&secret.into())?.sign(&id, seconds, body.as_bytes()))
        }
    }
}

fn main() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let ask = serde_json::from_str(&line).with_context(|| format!("read the question {line}"))?;
        writeln!(out, "{}", answer(ask)?)?;
        out.flush()?;
    }
    Ok(())
}
