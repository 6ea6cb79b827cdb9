//! Policy through the public interface, without a daemon: the terms of templates, routes of models, and plans that are compared.

#[cfg(test)]
mod denials;
#[cfg(test)]
mod ground;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod models;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod terms;
