//! The machinery under every pipeline step: where work comes from (`Source`), who runs it (`Supervisor`),
//! and two sources that live in memory. The only place that names apalis; it knows nothing of jobs,
//! budgets or the ledger, and decides nothing.
//!
//! ```text
//! source --next--> backend --> apalis worker --> spawned task: handler, then finish --> source
//! ```

mod backend;
pub mod due;
mod line;
pub mod pulse;
pub mod source;
pub mod statistics;
pub mod supervisor;

pub use due::DueQueue;
pub use pulse::Pulse;
pub use source::{Outcome, Source};
pub use statistics::{Statistics, StepStatistics};
pub use supervisor::{Supervisor, WorkerError};
