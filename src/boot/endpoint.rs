//! The HTTP endpoint of a process: where it listens, with which certificate, and whom it lets in. The listener outlives the lives of
//! the worker behind it.

use std::{net::SocketAddr, sync::Arc};

use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    boot::{Daemon, doctor::EXPIRY_SOON, token},
    cli::{CliError, Exit},
    clock::Entropy,
    config::{ConfigError, Loaded, endpoint::Http},
    http::{self, Access, Door, TlsFiles},
    job::time::Timestamp,
    policy::problem::{Code, Problem},
};

pub struct Endpoint {
    listener: TcpListener,
    token: SecretString,
    settings: Http,
    tls: Option<Arc<TlsFiles>>,
    /// Metrics are shown without the token.
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

/// What is to be said of a certificate that has ended, or ends soon.
pub fn ending(files: &TlsFiles, now: Timestamp) -> Option<String> {
    let ends = files.ends().filter(|ends| *ends < now.plus(EXPIRY_SOON))?;
    let file = files.path().display();
    Some(if ends <= now {
        format!("{file} ended on {ends}: nobody who checks certificates connects any more")
    } else {
        format!("{file} ends on {ends}, in {}", ends.since(now))
    })
}

impl Endpoint {
    pub async fn bind(loaded: &Loaded) -> anyhow::Result<Self> {
        let settings = loaded.settings.http.clone();
        let tls = tls(loaded).map_err(ConfigError::from)?.map(Arc::new);
        let listen = settings.listen;
        let listener = bind(listen, "[http] listen").await?;
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
    pub fn open(&self, daemon: &Daemon) -> anyhow::Result<Serving> {
        let access = Access {
            local: self.token.clone(),
            oidc: self.settings.oidc.clone(),
            behind_proxy: self.settings.behind_proxy,
            metrics_open: self.metrics_open,
        };
        let limits = http::Limits {
            requests_per_second: self.settings.requests_per_second,
            burst: self.settings.burst,
        };
        let router = http::guarded(Arc::clone(&daemon.context), access, limits);
        match &self.tls {
            Some(files) => {
                let shown = Arc::clone(files);
                let file = files.path().display().to_string();
                daemon.context.certificate.follow(file, move || shown.ends());
                let door = Door::with_tls(again(&self.listener)?, Arc::clone(files))?;
                Ok(serve_on(door, router, daemon))
            }
            None => Ok(serve_on(Door::from(again(&self.listener)?), router, daemon)),
        }
    }
}

pub type Serving = JoinHandle<std::io::Result<()>>;

pub fn serve_on(door: Door, router: axum::Router, daemon: &Daemon) -> Serving {
    tokio::spawn(http::serve(door, router, daemon.context.shutdown.clone()))
}

/// The same listener, for another life.
pub fn again(listener: &TcpListener) -> std::io::Result<TcpListener> {
    let listener = std::os::fd::AsFd::as_fd(listener).try_clone_to_owned()?;
    TcpListener::from_std(std::net::TcpListener::from(listener))
}

/// A listener, or why there is none. `key` names the address in the configuration.
pub async fn bind(listen: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    let refused = |error| {
        CliError::new(Exit::Failure, format!("listening on {listen} failed: {error}"))
            .hint(format!("another daemon may be running there: stop it, or change {key}"))
    };
    Ok(TcpListener::bind(listen).await.map_err(refused)?)
}
