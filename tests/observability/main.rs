//! What operators see of a running process: metrics, probes, logs, traces; and whether the rules, charts and runbooks of `ops`
//! speak of what there is.

#[cfg(test)]
#[path = "../stage/mod.rs"]
mod stage;

#[cfg(test)]
mod backup;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod ops;
#[cfg(test)]
mod scrape;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod traces;
#[cfg(test)]
#[allow(dead_code, reason = "this program uses a part of what the scenarios share")]
#[path = "../scenario/world.rs"]
mod world;
