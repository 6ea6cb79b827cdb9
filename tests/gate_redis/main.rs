//! The gate in Redis when Redis is emptied, goes back in time, refuses, or is shared: it closes with a reason, is rebuilt
//! by one process at a time, and proposes nothing meanwhile.

#[cfg(test)]
#[path = "../gate/mod.rs"]
#[allow(dead_code, reason = "this program uses a part of what the gates' tests share")]
mod gate;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod epochs;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod upkeep;
