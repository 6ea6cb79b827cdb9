//! One suite for every store that the ledger can live in, run on SQLite files and on a real PostgreSQL.

#[cfg(test)]
mod ledger;
#[cfg(test)]
mod support;
