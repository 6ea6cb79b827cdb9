//! The binary as people and scripts meet it: arguments, exit codes, streams, and what it asks of a daemon. The daemon is a
//! small server with canned answers, so that every answer can be had.

#[cfg(test)]
mod ask;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod program;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod usage;
