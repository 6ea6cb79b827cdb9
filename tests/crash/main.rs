//! The daemon binary is killed at every step of a job's way, and at random moments, against the simulator binary over
//! HTTP. Whatever happened, the next life goes on: nothing is lost, nothing is started twice, nothing stays held.
#![cfg(feature = "failpoints")]

#[cfg(test)]
mod checks;
#[cfg(test)]
mod house;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod life;
#[cfg(test)]
mod points;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod story;
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
#[cfg(test)]
mod terminate;
