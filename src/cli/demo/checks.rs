//! Holds what the ledger says against what the stand-in saw: the stand-in's log of creates is the referee.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    cli::{
        client::Client,
        demo::scene::WEBHOOK_SECRET,
        endpoint::Endpoint,
        exit::{CliError, Exit},
    },
    job::marker::Marker,
    pipeline::view::JobDetail,
};

/// A create that took effect.
#[derive(Debug, Deserialize)]
struct Create {
    task_id: String,
    marker: Option<String>,
}

/// A notice that was delivered.
#[derive(Debug, Deserialize)]
pub struct Delivery {
    headers: BTreeMap<String, String>,
    body: String,
    status: u16,
}

/// What the stand-in saw.
#[derive(Debug, Default)]
pub struct StandIn {
    creates: Vec<Create>,
    deliveries: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
struct Invariants {
    broken: Vec<String>,
}

impl StandIn {
    pub async fn ask(address: &str) -> Result<Self, CliError> {
        let server = reqwest::Url::parse(address).map_err(|error| {
            CliError::new(Exit::Failure, format!("the stand-in's address {address} cannot be read: {error}"))
        })?;
        // Its control interface asks for no token.
        let client = Client::to(Endpoint { server, token: SecretString::from("none"), ca_file: None })?;
        Ok(Self {
            creates: client.get(&["_control", "creates"], &[]).await?.read()?,
            deliveries: client.get(&["_control", "webhooks"], &[]).await?.read()?,
        })
    }

    pub const fn creates(&self) -> usize {
        self.creates.len()
    }

    /// True if the notice arrived, and with a signature that fits.
    pub fn has_signed(&self, notice: &str) -> bool {
        self.deliveries.iter().any(|delivery| {
            let id = delivery.headers.get("webhook-id");
            id.is_some_and(|id| id == notice) && (200..300).contains(&delivery.status) && delivery.is_signed()
        })
    }
}

impl Delivery {
    /// Standard Webhooks: HMAC with SHA-256 over `id.timestamp.body`.
    fn is_signed(&self) -> bool {
        let header = |name: &str| self.headers.get(name).map_or("", String::as_str);
        let content = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), self.body);
        let secret = STANDARD.decode(WEBHOOK_SECRET.trim_start_matches("whsec_")).unwrap_or_default();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = header("webhook-signature").strip_prefix("v1,").and_then(|tag| STANDARD.decode(tag).ok());
        tag.is_some_and(|tag| hmac::verify(&key, content.as_bytes(), &tag).is_ok())
    }
}

/// Every broken promise: the ledger's own, and what the stand-in's log says of starts.
pub async fn invariants(
    daemon: &Client,
    details: &[JobDetail],
    stand_in: &StandIn,
) -> Result<Vec<String>, CliError> {
    let invariants: Invariants = daemon.get(&["v1", "invariants"], &[]).await?.read()?;
    let mut broken = invariants.broken;
    broken.extend(starts(details, &stand_in.creates));
    Ok(broken)
}

/// I2: a task for each authorised attempt at most, and no task that nobody authorised.
fn starts(details: &[JobDetail], creates: &[Create]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for create in creates {
        let marker = create.marker.as_deref().and_then(|text| text.trim().parse::<Marker>().ok());
        let authorised = marker.is_some_and(|marker| {
            details
                .iter()
                .filter(|detail| detail.job.id == marker.job)
                .any(|detail| detail.attempts.iter().any(|attempt| attempt.marker() == marker))
        });
        if !authorised {
            broken.push(format!("I2 task {} was created without an authorised attempt", create.task_id));
        }
        if let Some(marker) = marker {
            *seen.entry(marker.to_string()).or_default() += 1;
        }
    }
    let twice = seen.into_iter().filter(|(_, tasks)| *tasks > 1);
    broken.extend(twice.map(|(marker, tasks)| format!("I2 attempt {marker} has {tasks} tasks")));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_nobody_authorised_is_a_broken_promise() {
        let create = |marker: Option<&str>| Create { task_id: "t-1".into(), marker: marker.map(Into::into) };
        assert_eq!(starts(&[], &[]), Vec::<String>::new());
        assert!(starts(&[], &[create(None)]).join("").contains("t-1"));
    }

    #[test]
    fn a_signature_must_fit_what_was_delivered() {
        let headers = [("webhook-id", "n-1"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,AAAA")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let delivery = Delivery { headers, body: "{}".into(), status: 204 };
        assert!(!delivery.is_signed());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(&WEBHOOK_SECRET[6..]).unwrap());
        let tag = format!("v1,{}", STANDARD.encode(hmac::sign(&key, b"n-1.1.{}").as_ref()));
        let mut delivery = delivery;
        delivery.headers.insert("webhook-signature".into(), tag);
        assert!(delivery.is_signed());
    }
}
