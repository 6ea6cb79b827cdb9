//! The daemon binary against the simulator binary over HTTP, driven by the command line binary. Each test ends by
//! asserting the invariants from the ledger and from the simulator's own record of what was created.

#[cfg(test)]
#[path = "../stage/mod.rs"]
mod stage;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod access;
#[cfg(test)]
mod aftermath;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod every_trouble;
#[cfg(test)]
mod freezes;
#[cfg(test)]
mod gates;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod repositories;
#[cfg(feature = "failpoints")]
#[cfg(test)]
mod summaries;
#[cfg(test)]
mod waves;
#[cfg(feature = "failpoints")]
#[cfg(test)]
mod week;
#[cfg(test)]
mod widening;
#[cfg(test)]
mod workers;
#[cfg(test)]
mod world;
