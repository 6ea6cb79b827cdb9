//! Properties of the pure core on random input: what must hold for every sequence, not for an example.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod books;
#[cfg(test)]
mod delays;
#[cfg(test)]
mod eligibility;
#[cfg(test)]
mod freezes;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod waves;
