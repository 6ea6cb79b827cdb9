//! Commands that run in this process, not against a daemon: only their flags. `boot` runs them.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::{cli::Shared, job::role::Role};

/// `sluice serve`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice work`.
#[derive(Args, Clone, Debug, Default)]
pub struct WorkArgs {
    /// What this worker does: some of admit, start, track, review, notify, with commas or given several times [default: `roles` in the
    /// configuration]
    #[arg(long = "role", alias = "roles", value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<Role>,
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice simulate`.
#[derive(Args, Clone, Debug)]
pub struct SimulateArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4300")]
    pub listen: SocketAddr,
    /// Scenario file [default: the friendly one that is built in]
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Replaces the scenario's seed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Gets `http://ADDRESS` once requests are taken
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice doctor`.
#[derive(Args, Clone, Debug, Default)]
pub struct DoctorArgs {
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice health`.
#[derive(Args, Clone, Debug, Default)]
pub struct HealthArgs {
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice migrate`.
#[derive(Args, Clone, Debug, Default)]
pub struct MigrateArgs {
    #[arg(skip)]
    pub shared: Shared,
}

/// `sluice config`.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read configuration, secrets and templates; start nothing
    Check(ConfigCheckArgs),
}

/// `sluice config check`.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigCheckArgs {
    #[arg(skip)]
    pub shared: Shared,
}

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchWhat {
    /// Jobs per second from submit to settled
    Submit,
    /// Requests per second from a Redis stream into the ledger
    Intake,
    /// Requests for following live tasks
    Track,
    /// Cost of an admission at 10, 10,000 and 1,000,000 waiting jobs
    Admission,
    /// Decisions per second of a policy replay
    Replay,
    /// Memory of an idle daemon
    Idle,
    /// The gate in memory and in Redis, beside what Redis itself can do
    Gate,
    /// Jobs per second through everything, on each ledger and gate
    EndToEnd,
    /// From a submit at one process to the start at another one, and what idle processes ask of Redis
    Wake,
}

/// `sluice bench`.
#[derive(Args, Clone, Debug, Default)]
pub struct BenchArgs {
    /// What to measure [default: everything]
    #[arg(value_enum)]
    pub what: Option<BenchWhat>,
    /// So little that the figures say nothing, to see that it runs
    #[arg(long)]
    pub quick: bool,
    #[arg(skip)]
    pub shared: Shared,
}
