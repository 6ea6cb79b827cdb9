//! What a job is: ids, state, lifecycle, outcome, routing, retry, cadence. Pure: no I/O, no clock.

pub mod cadence;
pub mod failure;
pub mod id;
pub mod lifecycle;
pub mod marker;
pub mod remote;
pub mod repository;
pub mod retry;
pub mod routing;
pub mod state;
pub mod time;

pub use id::{AttemptId, EntryId, JobId, RequestId};
pub use lifecycle::{Effect, Event, IllegalEvent, Step};
pub use marker::Marker;
pub use remote::{Artifact, RemoteState, Session, Task, TaskId};
pub use repository::Repository;
pub use state::State;
pub use time::{Millis, Timestamp};
