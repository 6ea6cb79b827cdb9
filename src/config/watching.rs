//! How the process is watched: metrics, probes, traces.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::config::secret::SecretRef;

/// Figures for Prometheus, and probes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// A listener for them alone, without a token, also of `sluice work`; left out: only the endpoint has them.
    pub listen: Option<SocketAddr>,
    /// The endpoint shows them without a token; left out: only if it listens on a loopback address.
    pub open: Option<bool>,
}

/// Where traces go.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// Of a collector that takes OTLP over HTTP, without `/v1/traces`; left out: no traces.
    pub endpoint: Option<String>,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<SecretRef>,
    /// What this program is called in traces.
    pub service: String,
}

impl Default for Otlp {
    fn default() -> Self {
        Self { endpoint: None, token: None, service: "sluicegate".to_owned() }
    }
}
