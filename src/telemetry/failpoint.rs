//! Named points at which the fault suite lets the process die. Only with the feature `failpoints`; otherwise every
//! call is empty. Must not be used for anything but dying: no injected errors, no delays.
//!
//! `SLUICE_FAILPOINT=name` crashes at the first hit of `name`, `SLUICE_FAILPOINT=name:3` at the third.
//! `SLUICE_FAILPOINT_LOG=path` has the name appended to that file first. The crash is `abort`: like SIGKILL it runs no
//! destructor and flushes nothing, and unlike SIGKILL it cannot be late.

/// Every point, in the order of a job's way. Kept by hand; a hit of any other name is a bug.
pub const ALL: &[&str] = &[
    "submit.received",
    "submit.recorded",
    "intake.read",
    "intake.recorded",
    "intake.rejected",
    "schedule.due",
    "schedule.drafted",
    "schedule.taken",
    "hook.received",
    "hook.drafted",
    "hook.taken",
    "admit.proposed",
    "admit.recorded",
    "admit.settled",
    "start.before_post",
    "start.posting",
    "start.answered",
    "start.recorded",
    "track.listed",
    "track.observed",
    "track.recorded",
    "settle.found",
    "settle.described",
    "settle.labelled",
    "settle.requested",
    "settle.recorded",
    "review.seen",
    "review.recorded",
    "widen.decided",
    "widen.recorded",
    "notice.delivered",
    "notice.recorded",
    "recover.looked",
    "recover.recorded",
    "ledger.before_commit",
    "ledger.after_commit",
    "feed.received",
];

#[cfg(feature = "failpoints")]
pub use armed::{hit, hit_after};

/// Does nothing without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn hit(_: &'static str) {}

/// Does nothing without the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub const fn hit_after(_: &'static str, _: u64) {}

#[cfg(feature = "failpoints")]
mod armed {
    use std::{
        fs::OpenOptions,
        io::Write,
        process,
        sync::{
            OnceLock,
            atomic::{AtomicU64, Ordering},
        },
        thread,
        time::Duration,
    };

    /// The point that the environment names, and how often it may still be passed.
    struct Armed {
        name: String,
        left: AtomicU64,
        log: Option<String>,
    }

    /// Dies here, if this is the hit that the environment names.
    pub fn hit(name: &'static str) {
        if let Some(armed) = strikes(name) {
            crash(armed);
        }
    }

    /// Dies `ms` milliseconds later, if this is the hit that the environment names: for what is sent and not answered.
    pub fn hit_after(name: &'static str, ms: u64) {
        if let Some(armed) = strikes(name) {
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(ms));
                crash(armed);
            });
        }
    }

    fn strikes(name: &'static str) -> Option<&'static Armed> {
        debug_assert!(super::ALL.contains(&name), "`{name}` is missing in failpoint::ALL");
        let armed = armed().filter(|armed| armed.name == name)?;
        (armed.left.fetch_sub(1, Ordering::SeqCst) == 1).then_some(armed)
    }

    fn armed() -> Option<&'static Armed> {
        static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
        ARMED.get_or_init(from_environment).as_ref()
    }

    #[expect(clippy::disallowed_methods, reason = "a test facility; the released build has no such code")]
    fn from_environment() -> Option<Armed> {
        let text = std::env::var("SLUICE_FAILPOINT").ok()?;
        let Some((name, count)) = parse(&text) else {
            tracing::error!(failpoint = text, "not a failpoint (`name` or `name:n`); nothing is armed");
            return None;
        };
        let log = std::env::var("SLUICE_FAILPOINT_LOG").ok();
        Some(Armed { name: name.to_owned(), left: AtomicU64::new(count), log })
    }

    fn parse(text: &str) -> Option<(&str, u64)> {
        let (name, count) = match text.split_once(':') {
            Some((name, count)) => (name, count.parse().ok().filter(|count| *count > 0)?),
            None => (text, 1),
        };
        super::ALL.contains(&name).then_some((name, count))
    }

    fn crash(armed: &Armed) -> ! {
        if let Some(path) = &armed.log {
            let file = OpenOptions::new().create(true).append(true).open(path);
            if let Err(error) = file.and_then(|mut file| writeln!(file, "{}", armed.name)) {
                tracing::error!(path, %error, "the failpoint cannot be logged");
            }
        }
        process::abort()
    }

    #[cfg(test)]
    mod tests {
        use super::parse;

        #[test]
        fn a_point_is_named_with_or_without_a_count() {
            assert_eq!(parse("start.posting"), Some(("start.posting", 1)));
            assert_eq!(parse("start.posting:3"), Some(("start.posting", 3)));
            for wrong in ["", "nowhere", "start.posting:", "start.posting:0", "start.posting:x"] {
                assert_eq!(parse(wrong), None, "{wrong}");
            }
        }
    }
}
