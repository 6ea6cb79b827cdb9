//! The receivers of notices against real servers, and what their messages say.
#![expect(clippy::unwrap_used, reason = "in functions that tests share")]

#[cfg(test)]
mod mail;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod webhook;
