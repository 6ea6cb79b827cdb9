//! What a process counts and measures, and the page on which a scrape finds it. Counting is cheap and asks nobody; names and
//! labels are in one catalogue. Must not decide anything, and must not know where a figure comes from.

pub mod catalogue;
mod histogram;
mod page;
mod process;
mod tally;

pub use catalogue::{Kind, Metric};
pub use histogram::{Histogram, QUICK, SLOW};
pub use page::{Format, Page};
pub use process::process;
pub use tally::Tally;
