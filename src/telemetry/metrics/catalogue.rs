//! Every metric: its name, what kind it is, its labels, and what it means. The one place to add one; `docs/metrics.md` is
//! printed from here, and rules and dashboards are checked against it.
//!
//! A label is a word of a closed set, or a name of the configuration. Ids, repositories and requests never are one: their
//! number has no bound.

/// What may be done with a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, since the process began.
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One family of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// As samples have it; those of a histogram have `_bucket`, `_sum` or `_count` added.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    /// The whole fleet's, from the ledger or the gate: every process tells the same, so sums over processes are wrong.
    pub shared: bool,
}

macro_rules! catalogue {
    ($($whose:ident $title:literal { $($name:ident = $kind:ident $text:literal [$($label:literal),*] $help:literal;)* })*) => {
        $($(
            #[doc = $help]
            pub const $name: Metric = Metric {
                name: $text,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
                shared: whose!($whose),
            };
        )*)*
        /// In groups, each with its title.
        pub const GROUPS: &[(&str, &[Metric])] = &[$(($title, &[$($name),*])),*];
    };
}

macro_rules! whose {
    (fleet) => {
        true
    };
    (process) => {
        false
    };
}

/// Every metric.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|(_, metrics)| metrics.iter())
}

catalogue! {
    fleet "The fleet: what the ledger and the gate hold" {
        JOBS = Gauge "sluice_jobs" ["state"] "Jobs in each state";
        WAITING = Gauge "sluice_jobs_waiting" ["reason", "budget"] "Jobs that do not move, by what they wait for; budget is the name of the budget or gate that holds them up, or empty";
        DEAD_LETTERS = Gauge "sluice_dead_letters" [] "Dead letters that nobody has discarded";
        BUDGET_USED = Gauge "sluice_budget_used" ["budget", "kind", "scope", "value"] "What is taken of a budget; of spend in AI credits: spent and reserved";
        BUDGET_LIMIT = Gauge "sluice_budget_limit" ["budget", "kind", "scope", "value"] "What may be taken of a budget; of spend in AI credits";
        OUTBOX = Gauge "sluice_outbox_notices" [] "Notices that are not yet with all their receivers";
        OUTBOX_AGE = Gauge "sluice_outbox_oldest_seconds" [] "How long the oldest notice is overdue at a receiver; 0 when none is. What waits for its digest is not overdue";
        SINK_WAITING = Gauge "sluice_outbox_waiting" ["sink"] "Notices that wait for a receiver; those of receivers that are configured no more as one";
        SINK_AGE = Gauge "sluice_outbox_waiting_seconds" ["sink"] "How long the oldest notice for a receiver is overdue; 0 when none is";
        DELIVERIES_WAITING = Gauge "sluice_deliveries_waiting" [] "Webhooks that were taken in and not gone through; left out without `[[hook]]`";
        DELIVERIES_AGE = Gauge "sluice_deliveries_oldest_seconds" [] "How long ago the oldest of them came; 0 when there is none";
        DELIVERIES_TROUBLE = Gauge "sluice_deliveries_in_trouble" [] "Webhooks that are unmapped or refused, as long as they are kept; left out without `[[hook]]`";
        BREAKERS = Gauge "sluice_breakers" ["state"] "Breakers in each state; left out without `[breaker]`";
        WORKERS = Gauge "sluice_workers" [] "Workers whose lease lasts";
        GATES_CLOSED = Gauge "sluice_gates_closed" ["scope"] "Gates that somebody has closed, by scope";
        KILL_SWITCH = Gauge "sluice_kill_switch" [] "1 while the kill switch is on";
    }
    process "Work of this process" {
        STARTS = Counter "sluice_starts_total" ["result"] "Starts by what became of them: started, not_started, rejected, or lost (its answer; it is looked for)";
        STATE_TIME = Histogram "sluice_job_state_seconds" ["state"] "How long a job was in the state that it has left: queued is the wait for its start, running the agent's work, in_review the review";
        ENTRIES = Counter "sluice_history_entries_total" ["kind"] "Entries written to the history, by kind";
        CREDITS = Counter "sluice_agent_credits_total" [] "AI credits that the provider has told of";
        STEP_HANDLED = Counter "sluice_step_handled_total" ["step"] "Pieces of work that a step has ended";
        STEP_PANICS = Counter "sluice_step_panics_total" ["step"] "Pieces of work that ended in a mistake of the program";
        STEP_RUNNING = Gauge "sluice_step_running" ["step"] "Pieces of work that a step has in hand";
        TRACKED = Gauge "sluice_tracked_tasks" ["identity"] "Remote tasks that this process follows";
        TRACKING_AGE = Gauge "sluice_tracking_age_seconds" ["identity"] "Time since the tasks of an identity were last looked at with success; only while some are followed";
    }
    process "Correctness" {
        STALE_WRITES = Counter "sluice_stale_writes_total" [] "Writes that the ledger refused because their writer had been succeeded";
        REPAIRS = Counter "sluice_repairs_total" [] "Jobs that the gate had lost or kept wrongly and that a sweep set right; must stay 0";
        REBUILDS = Counter "sluice_gate_rebuilds_total" [] "Times that this process built the gate anew from the ledger";
        LEASE_LEFT = Gauge "sluice_lease_left_seconds" [] "How long the lease of this worker still lasts";
        GATE_OPEN = Gauge "sluice_gate_open" [] "1 while the gate can be used";
    }
    process "The ledger and the gate, as this process meets them" {
        LEDGER_UP = Gauge "sluice_ledger_up" [] "1 if the ledger could be read for this scrape; else what comes from it is left out";
        LEDGER_COMMIT = Histogram "sluice_ledger_commit_seconds" [] "Transactions that changed something, from their begin to the answer to their commit";
        LEDGER_COMMANDS = Counter "sluice_ledger_commands_total" [] "Commands applied";
        LEDGER_FAILURES = Counter "sluice_ledger_failures_total" [] "Transactions that failed";
        GATE_CALL = Histogram "sluice_gate_call_seconds" ["call"] "Calls of the gate";
        GATE_FAILURES = Counter "sluice_gate_failures_total" ["call"] "Calls of the gate that failed";
    }
    process "The provider, as this process meets it" {
        REQUESTS = Counter "sluice_remote_requests_total" ["endpoint", "result"] "Requests to the provider, also those that were held back here";
        REQUEST_TIME = Histogram "sluice_remote_request_seconds" [] "Requests to the provider that were sent";
        LIMIT = Gauge "sluice_rate_limit" ["identity", "resource"] "Requests that the provider allows in a period, as last told";
        LIMIT_LEFT = Gauge "sluice_rate_limit_remaining" ["identity", "resource"] "Requests that are left of the period, as last told; all of them once it is over";
        BANNED = Gauge "sluice_rate_limit_banned_seconds" ["identity"] "How long the provider has told an identity to wait";
        TOKEN_LEFT = Gauge "sluice_token_left_seconds" ["identity"] "How long the token still lasts; left out if that is not known";
    }
    process "The endpoint" {
        HTTP = Counter "sluice_http_requests_total" ["route", "method", "status"] "Answered requests";
        HOOKS = Counter "sluice_hook_deliveries_total" ["hook", "result"] "Webhooks by what became of them: received or repeated, then done, ignored, unmapped or refused; signature-missing, signature-wrong and signature-stale were not kept";
        CERTIFICATE_ENDS = Gauge "sluice_certificate_end_time_seconds" [] "When the TLS certificate ends, in seconds since 1970; left out without TLS";
        DENIALS = Counter "sluice_denials_total" ["reason"] "Requests that were refused because of who asked";
    }
    process "Traces" {
        TRACE_SPANS = Counter "sluice_trace_spans_total" ["result"] "Spans for the collector of `[otlp]`: sent, or lost because it did not take them";
    }
    process "The process" {
        BUILD = Gauge "sluice_build_info" ["version"] "Always 1";
        PROCESS_CPU = Counter "process_cpu_seconds_total" [] "Time of processors used";
        PROCESS_MEMORY = Gauge "process_resident_memory_bytes" [] "Memory in use";
        PROCESS_FDS = Gauge "process_open_fds" [] "Files and connections open";
        PROCESS_FDS_MAX = Gauge "process_max_fds" [] "Files and connections that may be open";
        PROCESS_START = Gauge "process_start_time_seconds" [] "When the process began, in seconds since 1970";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_of_its_kind_and_comes_once() {
        let mut names: Vec<&str> = all().map(|metric| metric.name).collect();
        for metric in all() {
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert!(!metric.help.ends_with('.') && !metric.help.contains(['\n', '\\']), "{}", metric.name);
            let unbounded = ["job", "request", "repository", "attempt", "task", "worker"];
            assert!(metric.labels.iter().all(|label| !unbounded.contains(label)), "{}", metric.name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
