//! What a job is: ids, state, lifecycle, outcome, routing, retry, cadence. Pure: no I/O, no clock.

pub mod cadence;
pub mod document;
pub mod failure;
pub mod id;
pub mod lifecycle;
pub mod marker;
pub mod pull;
pub mod remote;
pub mod repository;
pub mod retry;
pub mod role;
pub mod routing;
pub mod state;
pub mod time;

pub use id::{AttemptId, DeliveryId, EntryId, JobId, NoticeId, RequestId, WorkerId};
pub use lifecycle::{Effect, Event, IllegalEvent, Step};
pub use marker::Marker;
pub use pull::{Checks, Pull};
pub use remote::{Artifact, RemoteState, Session, Task, TaskId};
pub use repository::Repository;
pub use role::{LeaseName, Role, Roles};
pub use state::State;
pub use time::{Millis, Timestamp};
