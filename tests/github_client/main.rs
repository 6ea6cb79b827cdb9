//! The GitHub client against scripted answers and, for what only a socket can show, against real ones.

#[cfg(test)]
mod scripted;

#[cfg(test)]
mod checks;
#[cfg(test)]
mod classification;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod over_http;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod pulls;
#[cfg(test)]
mod redirects;
#[cfg(test)]
mod search;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod start;
#[cfg(test)]
mod wire;
