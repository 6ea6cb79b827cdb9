//! The way of a request: faults, then the checks that come before every call, the call itself, and
//! the headers that every answer carries. `api` has the calls, `control` the tests' back door.

pub(crate) mod front;
pub(crate) mod gate;
pub(crate) mod query;
pub(crate) mod reply;
pub(crate) mod route;
