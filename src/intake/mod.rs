//! Ways in for requests besides HTTP. Each ends in the same submit as HTTP does; none decides what is acceptable.

pub mod redis;
