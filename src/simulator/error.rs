//! What can go wrong when the simulator is set up. Once it runs, every failure is an HTTP answer.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a simulator could not be built or started.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// The scenario text is not what the simulator understands.
    #[error("read scenario {name}:{line}:{column}: {message}")]
    Scenario {
        /// File name, or the name the caller gave the text.
        name: String,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// The scenario file could not be read.
    #[error("open scenario {path}")]
    Open {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The address could not be bound.
    #[error("listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The port file could not be written.
    #[error("write port file {path}")]
    PortFile {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("serve http")]
    Serve(#[source] std::io::Error),
}
