//! Where connections come in: as they are, or with TLS. A certificate that is replaced on disk is taken up without a restart.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::either::Either;

use crate::{
    http::{access::Peer, certificate, patience::Patient},
    job::time::Timestamp,
};

/// A client that takes longer to agree on TLS is sent away.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Clients that agree on TLS at once; further ones wait outside.
const HANDSHAKES_MAX: usize = 256;
/// It is looked at the files no more often.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// A certificate with its key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct TlsError {
    pub path: PathBuf,
    pub why: String,
}

/// A certificate and its key, as they are on disk.
#[derive(Debug)]
pub struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    pair: Arc<CertifiedKey>,
    looked: Instant,
    stamp: Stamp,
}

/// Changes when one of the files does.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl TlsFiles {
    /// Reads both, and sees that they belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let stamp = stamp(certificate, key);
        let state = Held { pair: Arc::new(load(certificate, key)?), looked: Instant::now(), stamp };
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), state: Mutex::new(state) })
    }

    /// Where the certificate is.
    pub fn path(&self) -> &Path {
        &self.certificate
    }

    /// When the first of the certificates ends that are shown now; None: none of them tells.
    pub fn ends(&self) -> Option<Timestamp> {
        certificate::ends(&self.newest().cert)
    }

    /// The newest pair that can be used: files that are half written must not end the service.
    fn newest(&self) -> Arc<CertifiedKey> {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() < LOOK_EACH {
            return Arc::clone(&held.pair);
        }
        held.looked = Instant::now();
        let stamp = stamp(&self.certificate, &self.key);
        if stamp != held.stamp {
            match load(&self.certificate, &self.key) {
                Ok(pair) => {
                    tracing::info!(certificate = %self.certificate.display(), "the certificate was taken up anew");
                    held.pair = Arc::new(pair);
                }
                Err(error) => {
                    tracing::warn!(%error, "a changed certificate cannot be used; the old one goes on");
                }
            }
            held.stamp = stamp;
        }
        Arc::clone(&held.pair)
    }
}

impl ResolvesServerCert for TlsFiles {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.newest())
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let wrong = |path: &Path, why: String| TlsError { path: path.to_owned(), why };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, format!("no certificate in PEM can be read: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "it holds no certificate in PEM".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| wrong(key, format!("no private key in PEM can be read: {error}")))?;
    CertifiedKey::from_der(chain, private, &ring::default_provider())
        .map_err(|error| wrong(key, format!("the key does not belong to {}: {error}", certificate.display())))
}

/// A listener for the server: plain, or with TLS.
pub struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handshakes: JoinSet<Option<(Box<TlsStream<TcpStream>>, SocketAddr)>>,
}

impl From<TcpListener> for Door {
    fn from(listener: TcpListener) -> Self {
        Self { listener, tls: None, handshakes: JoinSet::new() }
    }
}

impl Door {
    pub fn with_tls(listener: TcpListener, files: Arc<TlsFiles>) -> Result<Self, rustls::Error> {
        let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let mut config = config.with_no_client_auth().with_cert_resolver(files);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Some(TlsAcceptor::from(Arc::new(config))), ..Self::from(listener) })
    }

    /// Agrees on TLS beside the others, so that a slow client holds nobody up.
    fn begin(&mut self, tls: TlsAcceptor, stream: TcpStream, peer: SocketAddr) {
        self.handshakes.spawn(async move {
            match tokio::time::timeout(HANDSHAKE_MAX, tls.accept(stream)).await {
                Ok(Ok(stream)) => Some((Box::new(stream), peer)),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "a client did not agree on TLS");
                    None
                }
                Err(_) => None,
            }
        });
    }
}

impl axum::serve::Listener for Door {
    type Io = Either<TcpStream, Box<TlsStream<TcpStream>>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let room = self.handshakes.len() < HANDSHAKES_MAX;
            tokio::select! {
                Some(agreed) = self.handshakes.join_next() => {
                    if let Ok(Some((stream, peer))) = agreed {
                        return (Either::Right(stream), peer);
                    }
                }
                // Waits and tries again by itself when the system has no room for a connection.
                (stream, peer) = axum::serve::Listener::accept(&mut self.listener), if room => {
                    match self.tls.clone() {
                        None => return (Either::Left(stream), peer),
                        Some(tls) => self.begin(tls, stream, peer),
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Patient<Door>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Patient<Door>>) -> Self {
        Self(*stream.remote_addr())
    }
}
