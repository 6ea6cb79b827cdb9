//! The receivers of notices against real servers, and what their messages say.

#[cfg(test)]
mod mail;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod webhook;
