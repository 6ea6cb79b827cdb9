//! The tables: names, keys and columns, and the four statements that every one of them needs.

use crate::ledger::db::Dialect;

/// One table. The column names are those of the row struct's fields.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub key: &'static str,
    pub columns: &'static [&'static str],
    /// Columns that never change once the row is there: left out of updates, which spares their indexes.
    pub fixed: &'static [&'static str],
    /// Columns of whole numbers; the others hold text.
    pub numbers: &'static [&'static str],
}

/// A statement that takes rows.
pub struct Statement {
    pub sql: String,
    /// What it takes of each.
    pub columns: Vec<&'static str>,
}

/// Rows that a statement takes at a time. More of them on SQLite cost memory for each prepared statement, and save little. On
/// PostgreSQL they are as many as it takes about as long to write as to make the next ones ready.
pub const SQLITE_ROWS: usize = 64;
pub const POSTGRES_ROWS: usize = 256;

impl Table {
    /// Rows as JSON text. In `tail`, `{list}` is the JSON list bound as `$1`.
    pub fn select(&self, dialect: Dialect, tail: &str) -> String {
        let row = match dialect {
            Dialect::Sqlite => {
                let pairs: Vec<String> =
                    self.columns.iter().map(|column| format!("'{column}', t.{column}")).collect();
                format!("json_object({})", pairs.join(", "))
            }
            Dialect::Postgres => "row_to_json(t)::text".to_owned(),
        };
        format!("SELECT {row} FROM {} t {}", self.name, tail.replace("{list}", dialect.list()))
    }

    /// All rows whose `column` is in the JSON list bound as `$1`, as one JSON list.
    pub fn select_in(&self, dialect: Dialect, column: &str, and: &str) -> String {
        let rows = self.select(dialect, &format!("WHERE t.{column} IN {{list}} {and}"));
        match dialect {
            Dialect::Sqlite => rows.replacen("json_object", "json_group_array(json_object", 1).replacen(
                &format!(") FROM {} t", self.name),
                &format!(")) FROM {} t", self.name),
                1,
            ),
            Dialect::Postgres => {
                rows.replacen("row_to_json(t)::text", "COALESCE(json_agg(row_to_json(t)), '[]')::text", 1)
            }
        }
    }

    /// Writes new rows.
    pub fn insert(&self, dialect: Dialect) -> Statement {
        let columns = self.columns.to_vec();
        let rows = self.given(dialect, &columns);
        // Also keeps a following ON CONFLICT from being read as a join.
        let (name, list, key) = (self.name, columns.join(", "), self.key);
        let sql = format!("INSERT INTO {name} ({list}) SELECT {list} FROM {rows} WHERE n.{key} IS NOT NULL");
        Statement { sql, columns }
    }

    /// Changes rows; those that are not there are left out.
    pub fn update(&self, dialect: Dialect) -> Statement {
        self.set(dialect, |column| !self.fixed.contains(&column))
    }

    /// The same, also what never changes otherwise.
    pub fn rewrite(&self, dialect: Dialect) -> Statement {
        self.set(dialect, |_| true)
    }

    fn set(&self, dialect: Dialect, which: impl Fn(&str) -> bool) -> Statement {
        let (name, key) = (self.name, self.key);
        let changing = self.columns.iter().copied().filter(|column| *column != key && which(column));
        let columns: Vec<&'static str> = std::iter::once(key).chain(changing).collect();
        let rows = self.given(dialect, &columns);
        let set: Vec<String> =
            columns.iter().skip(1).map(|column| format!("{column} = n.{column}")).collect();
        let sql = format!("UPDATE {name} AS t SET {} FROM {rows} WHERE t.{key} = n.{key}", set.join(", "));
        Statement { sql, columns }
    }

    /// Writes new rows and replaces those that are there.
    pub fn upsert(&self, dialect: Dialect) -> Statement {
        let Statement { sql, columns } = self.insert(dialect);
        let changing = columns.iter().filter(|column| **column != self.key && !self.fixed.contains(column));
        let set: Vec<String> = changing.map(|column| format!("{column} = excluded.{column}")).collect();
        let sql = format!("{sql} ON CONFLICT ({}) DO UPDATE SET {}", self.key, set.join(", "));
        Statement { sql, columns }
    }

    /// The rows that are bound, as `n`. On SQLite always `SQLITE_ROWS` of them, each value for itself, so that every number of
    /// rows is the same statement: those that are not bound are all null. On PostgreSQL any number, each column as a list.
    fn given(&self, dialect: Dialect, columns: &[&'static str]) -> String {
        let list = columns.join(", ");
        match dialect {
            Dialect::Sqlite => {
                let row = format!("({})", vec!["?"; columns.len()].join(","));
                let names: Vec<String> =
                    columns.iter().zip(1..).map(|(column, at)| format!("column{at} AS {column}")).collect();
                format!(
                    "(SELECT {} FROM (VALUES {})) AS n",
                    names.join(", "),
                    vec![row; SQLITE_ROWS].join(",")
                )
            }
            Dialect::Postgres => {
                let of_type = |(column, at): (&&str, usize)| {
                    let kind = if self.numbers.contains(column) { "bigint" } else { "text" };
                    format!("${at}::{kind}[]")
                };
                let lists: Vec<String> = columns.iter().zip(1..).map(of_type).collect();
                format!("unnest({}) AS n ({list})", lists.join(", "))
            }
        }
    }

    /// Removes the rows whose key is in the JSON list bound as `$1`.
    pub fn delete(&self, dialect: Dialect) -> String {
        format!("DELETE FROM {} WHERE {} IN {}", self.name, self.key, dialect.list())
    }
}

macro_rules! tables {
    ($($constant:ident = $name:literal by $key:literal: $($fixed:ident)* $(# $($fixed_number:ident)*)? | $($text:ident)* $(# $($number:ident)*)?;)*) => {
        $(pub const $constant: Table = Table {
            name: $name,
            key: $key,
            columns: &[
                $(stringify!($fixed),)* $($(stringify!($fixed_number),)*)?
                $(stringify!($text),)* $($(stringify!($number),)*)?
            ],
            fixed: &[$(stringify!($fixed),)* $($(stringify!($fixed_number),)*)?],
            numbers: &[$($(stringify!($fixed_number),)*)? $($(stringify!($number),)*)?],
        };)*
        /// Every table with its columns; a test compares them with both stores.
        pub const ALL: &[Table] = &[$($constant),*];
    };
}

// Columns that never change, then those that do; of each, text before numbers.
tables! {
    HEAD = "head" by "id": # id | hash # seq at writes;
    ENTRIES = "entries" by "seq": # seq | kind request_id job_id attempt_id actor body_json prev hash salt digest #
        at redacted;
    TEMPLATES = "templates" by "id": id | digest # first_used_at;
    REQUESTS = "requests" by "id": id | idempotency_key body_digest plan_digest template template_digest requester
        team owner reason identity inputs_json spec_json skipped_json # template_version jobs created_at;
    JOBS = "jobs" by "id": id request_id repository identity model findings_json prompt_digest replay_of adopts_json
        # position wave priority created_at deadline_at | state attempt_id reviewer pull_json outcome_json
        checks_json # state_since updated_at due_at attempts episode pull_number discarded_at fallen_back;
    PROMPTS = "prompts" by "job_id": job_id | prompt pull_text_json;
    ATTEMPTS = "attempts" by "id": id job_id nonce identity model # number intent_at | phase worker_id end_reason
        task_id task_url remote_state branch model_used # token started_at ended_at remote_since remote_updated_at
        session_count pull_database_id nano_credits counted;
    BUDGETS = "budgets" by "id": id | closed_json # used limit_override version;
    HOLDS = "holds" by "id": id attempt_id job_id budget_id release # taken_at expires_at | released_by # amount
        released_at;
    EVIDENCE = "evidence" by "id": id attempt_id job_id kind | body_json # at;
    OUTBOX = "outbox" by "id": id dedup kind job_id request_id body_json # created_at | last_error route # tries
        next_at delivered_at dead_at;
    MAILINGS = "mailings" by "id": id notice_id sink | digest_id last_error # due_at bundled tries next_at
        delivered_at dead_at;
    SUMMARIES = "summaries" by "id": id request_id sink | handle digest last_error # seq sent_at tries next_at
        dead_at;
    WORKERS = "workers" by "id": id name roles # token started_at | # lease_until seen stopped_at;
    FACTS = "facts" by "id": id identity repository | facts_json # asked_at;
    LEASES = "leases" by "name": name | worker_id # since;
    WAVES = "waves" by "request_id": request_id # total | state actor note # opened opened_at since;
    APPROVALS = "approvals" by "id": id request_id about | digest actor roles_json reason # given_at expires_at;
    BREAKERS = "breakers" by "id": id gate template model | state canary_job canary_attempt reason window_json
        history_json # since trips;
    FREEZES = "freezes" by "name": name | body_json actor # created_at lifted_at;
    TOKENS = "tokens" by "id": id name digest grant_json created_by # created_at expires_at | # revoked_at used_at;
    SCHEDULES = "schedules" by "name": name | times paused_by paused_reason last_request history_json # considered_at
        paused_at;
    DELIVERIES = "deliveries" by "id": id hook sender_id fingerprint event # received_at signed_at secret bytes |
        state reason request_id # attempts due_at settled_at;
    PAYLOADS = "payloads" by "delivery_id": delivery_id | headers_json payload_json;
    ARCHIVE = "archive" by "id": id job_id digest place # bytes at | ;
    DESK = "desk" by "id": id | acknowledged_by assignee actor reason # acknowledged_at snoozed_until at;
    EXEMPTIONS = "exemptions" by "id": id | of_freeze exempt_json reason actor # until created_at;
}
