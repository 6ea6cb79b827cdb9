//! Parts of the configuration that have their examples in files of their own.

mod freezes;
mod hooks;
mod notice_routes;
mod notices;
mod schedules;
