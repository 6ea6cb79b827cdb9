//! Parts of the configuration that have their examples in files of their own.

mod hooks;
mod notices;
mod schedules;
