//! Serves a simulator over real HTTP until it is told to stop.

use std::future::{Future, IntoFuture as _};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;

use super::Simulator;
use super::connection::{CuttableListener, Switch};
use super::error::SimulatorError;
use super::scenario::Scenario;

/// How long open requests get to end after the shutdown began.
const GRACE: Duration = Duration::from_millis(500);

/// How to start a simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Scenario file; the friendly built-in scenario when absent.
    pub scenario: Option<PathBuf>,
    /// Replaces the scenario's seed.
    pub seed: Option<u64>,
    /// File that gets the bound address, such as `http://127.0.0.1:4300`, once requests are taken.
    pub port_file: Option<PathBuf>,
}

/// Serves until `shutdown` completes.
pub async fn serve(
    options: Options,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), SimulatorError> {
    let scenario = match &options.scenario {
        Some(path) => {
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|source| SimulatorError::Open { path: path.clone(), source })?;
            Scenario::from_toml(&text, &path.display().to_string())?
        }
        None => Scenario::friendly()?,
    };
    let scenario = match options.seed {
        Some(seed) => scenario.with_seed(seed),
        None => scenario,
    };
    let refused = |source| SimulatorError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    if let Some(path) = &options.port_file {
        write_whole(path, &format!("http://{address}"))
            .await
            .map_err(|source| SimulatorError::PortFile { path: path.clone(), source })?;
    }
    let clock = scenario.clock();
    Simulator::new(scenario, clock).serve_on(listener, shutdown).await
}

impl Simulator {
    /// Serves on a listener that is already bound, until `shutdown` completes.
    pub async fn serve_on(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), SimulatorError> {
        let service = self.router().into_make_service_with_connect_info::<Switch>();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(async move {
            // A closed channel means the same: stop.
            stopped.await.unwrap_or_default();
        });
        let mut server = std::pin::pin!(server.into_future());
        tokio::select! {
            ended = &mut server => return ended.map_err(SimulatorError::Serve),
            () = shutdown => drop(stop),
        }
        // Requests that a latency fault holds back must not hold back the end.
        match tokio::time::timeout(GRACE, server).await {
            Ok(ended) => ended.map_err(SimulatorError::Serve),
            Err(_elapsed) => Ok(()),
        }
    }
}

/// Writes a file so that a reader sees all of it or nothing.
async fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(".part");
    let part = path.with_file_name(name);
    tokio::fs::write(&part, text).await?;
    tokio::fs::rename(&part, path).await
}
