//! What happened, for those who live on Redis: streams of events, dead letters and notices, written from the ledger. They are a
//! projection that may be lost at any time and is then written again. Nothing is decided here and nothing is read back.

mod names;

pub use names::Names;
