//! What the figures were measured on. Figures of different machines, or of different days, are not to be compared.

use serde::Serialize;

use crate::boot::bench::servers;

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub cores: usize,
    pub processor: String,
    pub build: &'static str,
    /// None: not installed.
    pub redis: Option<String>,
    pub postgres: Option<String>,
}

impl Machine {
    pub fn here() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: processor(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            redis: servers::version("redis-server"),
            postgres: servers::version("postgres"),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missing = "not installed";
        let redis = self.redis.as_deref().unwrap_or(missing);
        let postgres = self.postgres.as_deref().unwrap_or(missing);
        writeln!(f, "{} cores of {}, {} build", self.cores, self.processor, self.build)?;
        write!(f, "Redis: {redis}; PostgreSQL: {postgres}")
    }
}

fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
