//! Requests over Redis streams, on real servers: each is accepted once or stands among the rejected, whatever fails between.

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod house;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod rejected;
#[cfg(test)]
mod silent;
