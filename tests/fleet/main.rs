//! A fleet: Redis, PostgreSQL, the simulator, a daemon and workers, each a process of its own, with links between them that
//! break. Whatever fails, the rest goes on: nothing is lost, nothing is started twice, nothing stays held.
#![cfg(feature = "failpoints")]

#[cfg(test)]
mod books;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod fleet;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod member;
#[cfg(test)]
mod network;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod points;
#[cfg(test)]
mod redis_faults;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod sql_faults;
#[cfg(test)]
#[path = "../stage/mod.rs"]
mod stage;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod topology;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod waiting;
