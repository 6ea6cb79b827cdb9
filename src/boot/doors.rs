//! What a process opens to the outside, for all of its lives: the endpoint, and a listener for metrics and probes alone.

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::{
    boot::{
        Daemon,
        endpoint::{self, Endpoint, Serving},
    },
    config::Loaded,
    http,
};

pub struct Doors {
    endpoint: Option<Endpoint>,
    /// For metrics and probes alone.
    watcher: Option<TcpListener>,
}

impl Doors {
    pub async fn bind(loaded: &Loaded, endpoint: Option<Endpoint>) -> anyhow::Result<Self> {
        let Some(listen) = loaded.settings.metrics.listen else {
            return Ok(Self { endpoint, watcher: None });
        };
        let listener = endpoint::bind(listen, "[metrics] listen").await?;
        tracing::info!(address = %listener.local_addr()?, "metrics and probes");
        Ok(Self { endpoint, watcher: Some(listener) })
    }

    /// For one life. The listeners stay for the next.
    pub fn open(&self, daemon: &Daemon) -> anyhow::Result<Vec<Serving>> {
        let mut serving = Vec::new();
        if let Some(endpoint) = &self.endpoint {
            serving.push(endpoint.open(daemon)?);
        }
        if let Some(watcher) = &self.watcher {
            let router = http::watch::router(Arc::clone(&daemon.context));
            serving.push(endpoint::serve_on(endpoint::again(watcher)?.into(), router, daemon));
        }
        Ok(serving)
    }
}
