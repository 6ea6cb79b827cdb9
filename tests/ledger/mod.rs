//! The ledger's conformance suite: what every store must do, whatever it is.

mod admission;
mod submit;
mod world;
