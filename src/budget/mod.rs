//! What is left: kinds of budget, their keys, what a job demands, and the decision whether it fits.
//! Pure: a snapshot and `now` are handed in.

pub mod amount;
pub mod closure;
pub mod decide;
pub mod demand;
pub mod glob;
pub mod key;
pub mod rules;
pub mod truth;

pub use amount::Amount;
pub use closure::{ClosedBy, Source};
pub use decide::{Books, Closure, Decision, MemberView, Refusal, RefusalKind, Take, View, decide};
pub use demand::{Class, ClassId, Demand, Expiry, Release, Subject};
pub use key::Key;
pub use rules::{BudgetRule, Kind, Member, Period, Pool, Rules, Scope};
pub use truth::Truth;
