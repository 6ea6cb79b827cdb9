//! Real servers for integration tests: each on a free loopback port, in its own directory, and gone when
//! the test process is, however it ends. It must not use a server that is already running.
//!
//! ```ignore
//! #[cfg(test)]
//! mod support;
//! let url = support::Postgres::shared().database();
//! ```
#![allow(dead_code, unused_imports, reason = "each test program uses a part of this module")]

mod cluster;
mod guard;
mod link;
mod postgres;
mod redis;

pub use cluster::Cluster;
pub use link::{Link, Weather};
pub use postgres::Postgres;
pub use redis::RedisServer;
