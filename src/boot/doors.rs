//! What a process opens to the outside, for all of its lives: the endpoint, and a listener for metrics and probes alone.

use std::sync::Arc;

use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    boot::{Daemon, endpoint::Endpoint},
    cli::{CliError, Exit},
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
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            CliError::new(Exit::Failure, format!("listening on {listen} failed: {error}"))
                .hint("another process may be listening there: stop it, or change [metrics] listen")
        })?;
        tracing::info!(address = %listener.local_addr()?, "metrics and probes");
        Ok(Self { endpoint, watcher: Some(listener) })
    }

    /// For one life. The listeners stay for the next.
    pub fn open(&self, daemon: &Daemon) -> anyhow::Result<Vec<JoinHandle<std::io::Result<()>>>> {
        let mut serving = Vec::new();
        if let Some(endpoint) = &self.endpoint {
            serving.push(endpoint.open(daemon)?);
        }
        if let Some(watcher) = &self.watcher {
            let listener = std::os::fd::AsFd::as_fd(watcher).try_clone_to_owned()?;
            let listener = TcpListener::from_std(std::net::TcpListener::from(listener))?;
            let router = http::watch::router(Arc::clone(&daemon.context));
            serving.push(tokio::spawn(http::serve(listener, router, daemon.context.shutdown.clone())));
        }
        Ok(serving)
    }
}
