//! The one table of who may do what: every route that needs a token, the roles that may use it, and what a limited token gets
//! there. A route that is not in it lets nobody in.

use axum::http::Method;

use crate::policy::access::Role::{self, Approver, Operator, Producer, Viewer};

/// What limits to teams and templates mean at a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Nothing: it tells of what all share.
    Shared,
    /// Only what is within them can be seen or changed.
    Within,
    /// It is about everything, so that limited tokens are not let in.
    Whole,
}

impl Extent {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Within => "within",
            Self::Whole => "whole",
        }
    }
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub method: &'static str,
    pub path: &'static str,
    /// Any of these, or `admin`.
    pub who: &'static [Role],
    pub extent: Extent,
}

impl Rule {
    pub fn lets(&self, roles: &std::collections::BTreeSet<Role>) -> bool {
        roles.contains(&Role::Admin) || self.who.iter().any(|role| roles.contains(role))
    }
    /// For messages.
    pub fn roles(&self) -> String {
        let all = self.who.iter().chain(&[Role::Admin]);
        all.map(|role| role.as_str()).collect::<Vec<_>>().join(" or ")
    }
}

const fn get(path: &'static str, who: &'static [Role], extent: Extent) -> Rule {
    Rule { method: "GET", path, who, extent }
}
const fn post(path: &'static str, who: &'static [Role], extent: Extent) -> Rule {
    Rule { method: "POST", path, who, extent }
}

const LOOK: &[Role] = &[Viewer, Producer, Approver, Operator];
const ADMIN: &[Role] = &[];

/// Every route but the probes `/healthz` and `/readyz` and the door for webhooks, which need no token; `/metrics` needs one where it is not open.
pub const TABLE: &[Rule] = &[
    get("/v1/me", LOOK, Extent::Shared),
    get("/v1/requests", LOOK, Extent::Within),
    post("/v1/requests", &[Producer], Extent::Within),
    get("/v1/requests/{id}", LOOK, Extent::Within),
    post("/v1/requests/{id}/approve", &[Approver], Extent::Within),
    get("/v1/requests/{id}/waves", LOOK, Extent::Within),
    post("/v1/requests/{id}/waves/approve", &[Approver], Extent::Within),
    post("/v1/requests/{id}/waves/hold", &[Approver, Operator], Extent::Within),
    post("/v1/requests/{id}/waves/abort", &[Approver, Operator], Extent::Within),
    post("/v1/plans", &[Producer, Operator], Extent::Within),
    post("/v1/plans/apply", &[Producer], Extent::Within),
    get("/v1/schedules", LOOK, Extent::Whole),
    get("/v1/schedules/{name}", LOOK, Extent::Whole),
    get("/v1/schedules/{name}/next", LOOK, Extent::Whole),
    post("/v1/schedules/{name}/run", &[Producer, Operator], Extent::Whole),
    post("/v1/schedules/{name}/pause", &[Operator], Extent::Whole),
    post("/v1/schedules/{name}/resume", &[Operator], Extent::Whole),
    get("/v1/deliveries", LOOK, Extent::Whole),
    get("/v1/deliveries/{id}", &[Viewer, Operator], Extent::Whole),
    post("/v1/deliveries/{id}/replay", &[Operator], Extent::Whole),
    get("/v1/templates", LOOK, Extent::Shared),
    get("/v1/templates/{id}", LOOK, Extent::Shared),
    get("/v1/jobs", LOOK, Extent::Within),
    get("/v1/jobs/{id}", LOOK, Extent::Within),
    get("/v1/jobs/{id}/why", LOOK, Extent::Within),
    post("/v1/jobs/{id}/approve", &[Approver], Extent::Within),
    post("/v1/jobs/{id}/refuse", &[Approver], Extent::Within),
    post("/v1/jobs/{id}/cancel", &[Producer, Operator], Extent::Within),
    post("/v1/jobs/{id}/release", &[Operator], Extent::Within),
    post("/v1/jobs/{id}/discard-result", &[Operator], Extent::Within),
    get("/v1/dead", LOOK, Extent::Within),
    post("/v1/dead/{id}/retry", &[Operator], Extent::Within),
    post("/v1/dead/{id}/discard", &[Operator], Extent::Within),
    get("/v1/events", LOOK, Extent::Within),
    get("/v1/budgets", LOOK, Extent::Shared),
    get("/v1/budgets/holders", LOOK, Extent::Whole),
    post("/v1/budgets/limit", &[Operator], Extent::Whole),
    get("/v1/gates", LOOK, Extent::Shared),
    get("/v1/gates/behind", LOOK, Extent::Whole),
    post("/v1/gates/close", &[Operator], Extent::Whole),
    post("/v1/gates/open", &[Operator], Extent::Whole),
    post("/v1/kill-switch/on", &[Operator], Extent::Whole),
    post("/v1/kill-switch/off", &[Operator], Extent::Whole),
    get("/v1/freezes", LOOK, Extent::Shared),
    post("/v1/freezes", &[Operator], Extent::Whole),
    post("/v1/freezes/lift", &[Operator], Extent::Whole),
    post("/v1/freezes/exempt", &[Operator], Extent::Whole),
    get("/v1/freezes/check", LOOK, Extent::Shared),
    get("/v1/breakers", LOOK, Extent::Shared),
    post("/v1/breakers/reset", &[Operator], Extent::Whole),
    get("/v1/identities", LOOK, Extent::Whole),
    get("/v1/identities/check", &[Operator], Extent::Whole),
    get("/v1/identities/audit", &[Viewer, Operator], Extent::Whole),
    get("/v1/repositories", LOOK, Extent::Shared),
    get("/v1/repositories/{owner}/{name}", LOOK, Extent::Shared),
    get("/v1/reach", &[Operator], Extent::Whole),
    get("/v1/overview", LOOK, Extent::Shared),
    get("/v1/workers", LOOK, Extent::Whole),
    get("/metrics", LOOK, Extent::Whole),
    get("/v1/notices", LOOK, Extent::Whole),
    get("/v1/notices/route", LOOK, Extent::Whole),
    get("/v1/notices/{id}", LOOK, Extent::Whole),
    post("/v1/notices/{id}/retry", &[Operator], Extent::Whole),
    post("/v1/notices/test", &[Operator], Extent::Whole),
    get("/v1/audit/verify", &[Viewer, Operator], Extent::Whole),
    get("/v1/audit/jobs/{id}", LOOK, Extent::Within),
    get("/v1/audit/requests/{id}", LOOK, Extent::Within),
    get("/v1/audit/export", &[Viewer, Operator], Extent::Whole),
    post("/v1/audit/checkpoints", &[Operator], Extent::Whole),
    get("/v1/audit/documents", &[Operator], Extent::Whole),
    post("/v1/audit/archive", &[Operator], Extent::Whole),
    post("/v1/audit/redactions", ADMIN, Extent::Whole),
    get("/v1/desk", LOOK, Extent::Whole),
    post("/v1/desk/acknowledge", &[Approver, Operator], Extent::Whole),
    post("/v1/desk/snooze", &[Approver, Operator], Extent::Whole),
    post("/v1/desk/reassign", &[Approver, Operator], Extent::Whole),
    get("/v1/invariants", &[Viewer, Operator], Extent::Whole),
    get("/v1/tokens", ADMIN, Extent::Whole),
    post("/v1/tokens", ADMIN, Extent::Whole),
    post("/v1/tokens/revoke", ADMIN, Extent::Whole),
];

/// The rule of a route; Err: the methods that the path takes instead, none if there is no rule for the path at all.
pub fn rule(method: &Method, path: &str) -> Result<&'static Rule, String> {
    let wanted = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let of_path: Vec<&Rule> = TABLE.iter().filter(|rule| rule.path == path).collect();
    if let Some(rule) = of_path.iter().find(|rule| rule.method == wanted) {
        return Ok(rule);
    }
    let names = of_path.iter().map(|rule| if rule.method == "GET" { "GET,HEAD" } else { rule.method });
    Err(names.collect::<Vec<_>>().join(","))
}

/// The table as the documentation shows it.
pub fn markdown() -> String {
    use std::fmt::Write as _;
    let roles = [Viewer, Producer, Approver, Operator, Role::Admin];
    let mut page = String::from("| route | viewer | producer | approver | operator | admin | limits |\n");
    page.push_str("|---|---|---|---|---|---|---|\n");
    for rule in TABLE {
        let cell = |role: &Role| if rule.lets(&[*role].into()) { "yes" } else { "" };
        let cells = roles.iter().map(cell).collect::<Vec<_>>().join(" | ");
        // Writing to a string cannot fail.
        writeln!(page, "| `{} {}` | {cells} | {} |", rule.method, rule.path, rule.extent.as_str()).ok();
    }
    page
}
