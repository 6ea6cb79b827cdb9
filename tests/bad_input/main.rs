//! The table of bad input. Each row is done with the binary as a person would do it, and gets one clear message (what, where,
//! why, what to do) and its exit code; and nothing is lost or half kept.

#[cfg(test)]
#[path = "../stage/mod.rs"]
mod stage;

#[cfg(test)]
mod acts;
#[cfg(test)]
mod files;
#[cfg(test)]
mod ledgers;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod table;
