//! The ledger's conformance suite: what every store must do, whatever it is.

mod admission;
mod breakers;
mod broken;
mod budgets;
mod cancel;
mod feed;
mod figures;
mod freezes;
mod history;
mod leases;
mod many;
mod notices;
mod opening;
mod orders;
mod past;
mod random;
mod retries;
mod review;
mod sighting;
mod start;
mod submit;
mod tables;
mod two_writers;
mod waves;
mod workers;
mod world;
