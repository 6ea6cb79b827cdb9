//! The ledger's conformance suite: what every store must do, whatever it is.

mod admission;
mod cancel;
mod review;
mod sighting;
mod start;
mod submit;
mod world;
