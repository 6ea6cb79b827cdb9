//! Which receivers a notice goes to, and when. Pure: the same notice at the same time always goes the same way.

pub mod pace;
mod quiet;
mod severity;
mod summary;
pub mod written;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    quiet::Quiet,
    severity::{KINDS, Severity},
    summary::Summary,
};
use crate::{
    budget::glob::matches,
    job::time::{Millis, Timestamp},
};

/// What stands in place of a route's name where none fits.
pub const USUAL: &str = "no route";

/// What a route may ask of a notice.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub kind: &'a str,
    pub severity: Severity,
    /// Of the request that it is about, like the template; None: it is about none.
    pub team: Option<&'a str>,
    pub template: Option<&'a str>,
}

/// Sends what fits to some receivers.
#[derive(Clone, Debug, Default)]
pub struct Route {
    pub name: String,
    /// Globs of kinds, teams and templates; none: any.
    pub kinds: Vec<String>,
    pub teams: Vec<String>,
    pub templates: Vec<String>,
    /// And worse.
    pub severity: Severity,
    /// Nobody: what fits is told to nobody.
    pub to: Vec<String>,
    /// The routes after it are asked too.
    pub goes_on: bool,
    pub quiet: Vec<Quiet>,
    /// What fits is collected for so long.
    pub digest: Option<Millis>,
}

/// Every route in order, and what else is told.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    pub routes: Vec<Route>,
    pub summaries: Vec<Summary>,
}

/// One receiver of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = NoticeDeposit)]
pub struct Deposit {
    pub sink: String,
    /// Not before.
    pub at: Timestamp,
    /// Together with what else waits for that receiver.
    pub digest: bool,
}

/// Where a notice goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = NoticeDecision)]
pub struct Decision {
    /// The routes that fit, by name.
    pub route: String,
    /// At most once each, by name. Nobody: a route says that nobody is told.
    pub to: Vec<Deposit>,
}

impl Rules {
    /// The first route that fits decides, and those after it as long as each goes on. What fits none goes to `usual`.
    pub fn decide(&self, told: Told<'_>, usual: &str, now: Timestamp) -> Decision {
        let mut fitting: Vec<&str> = Vec::new();
        let mut to: BTreeMap<&str, Deposit> = BTreeMap::new();
        for route in self.routes.iter().filter(|route| route.fits(told)) {
            fitting.push(&route.name);
            for sink in &route.to {
                let new = route.deposit(sink, told.severity, now);
                // Whoever is told by several routes is told as soon as one of them says.
                match to.get_mut(sink.as_str()) {
                    Some(known) if (known.at, known.digest) <= (new.at, new.digest) => {}
                    _ => drop(to.insert(sink, new)),
                }
            }
            if !route.goes_on {
                break;
            }
        }
        if fitting.is_empty() {
            let deposit = Deposit { sink: usual.to_owned(), at: now, digest: false };
            return Decision { route: USUAL.to_owned(), to: vec![deposit] };
        }
        Decision { route: fitting.join(", "), to: to.into_values().collect() }
    }
}

impl Route {
    fn fits(&self, told: Told<'_>) -> bool {
        let any = |globs: &[String], text: Option<&str>| {
            globs.is_empty() || text.is_some_and(|text| globs.iter().any(|glob| matches(glob, text)))
        };
        told.severity >= self.severity
            && any(&self.kinds, Some(told.kind))
            && any(&self.teams, told.team)
            && any(&self.templates, told.template)
    }

    fn deposit(&self, sink: &str, severity: Severity, now: Timestamp) -> Deposit {
        let sink = sink.to_owned();
        if severity == Severity::Urgent {
            return Deposit { sink, at: now, digest: false };
        }
        let collected = self.digest.map(|every| next(now, every));
        let at = Quiet::end(&self.quiet, severity, collected.unwrap_or(now));
        Deposit { sink, at, digest: at > now }
    }
}

/// The first multiple of a span after an instant.
fn next(now: Timestamp, every: Millis) -> Timestamp {
    let every = i64::try_from(every.0).unwrap_or(i64::MAX).max(1);
    Timestamp(now.0.div_euclid(every).saturating_add(1).saturating_mul(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, kinds: &[&str], to: &[&str]) -> Route {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Route { name: name.into(), kinds: own(kinds), to: own(to), ..Route::default() }
    }

    fn told(kind: &str) -> Told<'_> {
        Told { kind, severity: Severity::of(kind), team: Some("core"), template: Some("bump") }
    }

    fn sinks(rules: &Rules, told: Told<'_>) -> (String, Vec<String>) {
        let found = rules.decide(told, "webhook", Timestamp(0));
        (found.route, found.to.into_iter().map(|deposit| deposit.sink).collect())
    }

    fn found(route: &str, to: &[&str]) -> (String, Vec<String>) {
        (route.to_owned(), to.iter().map(|sink| (*sink).to_owned()).collect())
    }

    #[test]
    fn the_first_route_that_fits_decides_unless_it_goes_on() {
        let mut rules = Rules::default();
        assert_eq!(sinks(&rules, told("job.dead")), found(USUAL, &["webhook"]));
        rules.routes = vec![
            Route { severity: Severity::Urgent, goes_on: true, ..route("urgent", &[], &["mail"]) },
            Route { teams: vec!["core".into()], ..route("core", &["job.*"], &["slack"]) },
            route("rest", &[], &["webhook"]),
        ];
        assert_eq!(sinks(&rules, told("job.dead")), found("core", &["slack"]));
        assert_eq!(sinks(&rules, told("job.quarantined")), found("urgent, core", &["mail", "slack"]));
        assert_eq!(sinks(&rules, Told { team: None, ..told("job.dead") }), found("rest", &["webhook"]));
        rules.routes.insert(0, route("none", &["desk.*"], &[]));
        assert_eq!(sinks(&rules, told("desk.reminder")), found("none", &[]));
    }

    #[test]
    fn a_digest_goes_out_at_the_next_full_span_and_what_is_urgent_never_waits() {
        let hourly = Route { digest: Some(Millis::hours(1)), ..route("a", &[], &["mail"]) };
        let now = Timestamp::parse("2026-11-20T10:00:00Z").unwrap();
        let later = hourly.deposit("mail", Severity::Warning, now);
        assert_eq!((later.at, later.digest), (now.plus(Millis::hours(1)), true));
        let at_once = hourly.deposit("mail", Severity::Urgent, now);
        assert_eq!((at_once.at, at_once.digest), (now, false));
    }

    #[test]
    fn whoever_is_told_by_two_routes_is_told_once_and_at_the_earlier_time() {
        let slow = Route { digest: Some(Millis::hours(1)), goes_on: true, ..route("slow", &[], &["mail"]) };
        let rules = Rules { routes: vec![slow, route("fast", &[], &["mail"])], ..Rules::default() };
        let decision = rules.decide(told("job.dead"), "webhook", Timestamp(5));
        assert_eq!(decision.to, [Deposit { sink: "mail".into(), at: Timestamp(5), digest: false }]);
    }
}
