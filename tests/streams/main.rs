//! The public Redis streams, on real servers: a request is accepted once or stands among the rejected, and what happened is told in
//! order and without gaps, whatever fails between.

#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

#[cfg(test)]
#[path = "../stage/mod.rs"]
mod stage;

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod events;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod house;
#[cfg(test)]
mod letters;
#[cfg(test)]
mod lost;
#[cfg(test)]
mod redacted;
#[cfg(test)]
mod rejected;
#[cfg(test)]
mod silent;
