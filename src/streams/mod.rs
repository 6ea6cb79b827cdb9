//! What happened, for those who live on Redis: streams of events, dead letters and notices, written from the ledger. They are a
//! projection that may be lost at any time and is then written again. Nothing is decided here and nothing is read back.

mod letter;
mod names;
mod publisher;
mod redis;
mod schema;

pub use letter::{LETTER_FIELDS, NOTICE_FIELDS};
pub use names::Names;
pub use publisher::{PublishError, Publisher};
pub use schema::event_schema;
