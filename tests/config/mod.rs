//! Sections of the configuration with many rules of their own.

mod notices;
mod schedules;
