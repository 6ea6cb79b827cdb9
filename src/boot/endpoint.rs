//! The HTTP endpoint of a process: where it listens, with which certificate, and whom it lets in. The listener outlives the lives of
//! the worker behind it.

use std::{net::SocketAddr, sync::Arc};

use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    boot::{Daemon, token},
    cli::{CliError, Exit},
    clock::Entropy,
    config::{ConfigError, Loaded, endpoint::Http},
    http::{self, Access, Door, TlsFiles},
    policy::problem::{Code, Problem},
};

pub struct Endpoint {
    listener: TcpListener,
    token: SecretString,
    settings: Http,
    tls: Option<Arc<TlsFiles>>,
    metrics_open: bool,
}

/// The certificate and its key; None: none is configured.
pub fn tls(loaded: &Loaded) -> Result<Option<TlsFiles>, Problem> {
    let settings = &loaded.settings.http;
    let (Some(certificate), Some(key)) = (&settings.tls_certificate, &settings.tls_key) else {
        return Ok(None);
    };
    let files = TlsFiles::read(&loaded.folder.join(certificate), &loaded.folder.join(key));
    files.map(Some).map_err(|error| {
        let hint = "`tls_certificate` names certificates in PEM, the own one first, `tls_key` the private key of the first";
        Problem::new(Code::BadConfig, error.to_string()).at("[http] tls_certificate").hint(hint)
    })
}

impl Endpoint {
    pub async fn bind(loaded: &Loaded) -> anyhow::Result<Self> {
        let settings = loaded.settings.http.clone();
        let tls = tls(loaded).map_err(ConfigError::from)?.map(Arc::new);
        let listen = settings.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            CliError::new(Exit::Failure, format!("listening on {listen} failed: {error}"))
                .hint("another daemon may be running there: stop it, or change [http] listen")
        })?;
        let token = token::load_or_make(&settings.token_file, &Entropy::from_system())?;
        let metrics_open = loaded.settings.metrics.open.unwrap_or_else(|| listen.ip().is_loopback());
        Ok(Self { listener, token, settings, tls, metrics_open })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Under which commands of this machine reach it.
    pub fn url(&self) -> std::io::Result<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        Ok(format!("{scheme}://{}", self.address()?))
    }

    /// For one life. The listener stays for the next.
    pub fn open(&self, daemon: &Daemon) -> anyhow::Result<JoinHandle<std::io::Result<()>>> {
        let access = Access {
            local: self.token.clone(),
            oidc: self.settings.oidc.clone(),
            behind_proxy: self.settings.behind_proxy,
            metrics_open: self.metrics_open,
        };
        let router = http::guarded(Arc::clone(&daemon.context), access);
        let listener = std::os::fd::AsFd::as_fd(&self.listener).try_clone_to_owned()?;
        let listener = TcpListener::from_std(std::net::TcpListener::from(listener))?;
        let door = match &self.tls {
            Some(files) => Door::with_tls(listener, Arc::clone(files))?,
            None => Door::from(listener),
        };
        Ok(tokio::spawn(http::serve(door, router, daemon.context.shutdown.clone())))
    }
}
