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
}

impl Table {
    /// Rows as JSON text. In `tail`, `{list}` is the JSON list bound as `$1`.
    pub fn select(&self, dialect: Dialect, tail: &str) -> String {
        let (row, list) = match dialect {
            Dialect::Sqlite => {
                let pairs: Vec<String> =
                    self.columns.iter().map(|column| format!("'{column}', t.{column}")).collect();
                (format!("json_object({})", pairs.join(", ")), "(SELECT value FROM json_each($1))")
            }
            Dialect::Postgres => {
                ("row_to_json(t)::text".to_owned(), "(SELECT json_array_elements_text($1::json))")
            }
        };
        format!("SELECT {row} FROM {} t {}", self.name, tail.replace("{list}", list))
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

    /// New rows from a JSON list of objects bound as `$1`.
    pub fn insert(&self, dialect: Dialect) -> String {
        let columns = self.columns.join(", ");
        match dialect {
            Dialect::Sqlite => {
                let values: Vec<String> =
                    self.columns.iter().map(|column| format!("json_extract(value, '$.{column}')")).collect();
                // `WHERE true` keeps a following ON CONFLICT from being read as a join.
                format!(
                    "INSERT INTO {} ({columns}) SELECT {} FROM jsonb_each(jsonb($1)) WHERE true",
                    self.name,
                    values.join(", ")
                )
            }
            Dialect::Postgres => format!(
                "INSERT INTO {} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{}, $1::json)",
                self.name, self.name
            ),
        }
    }

    /// Changed rows from a JSON list of objects bound as `$1`; rows that are not there are left out.
    pub fn update(&self, dialect: Dialect) -> String {
        self.set(dialect, |column| !self.fixed.contains(&column))
    }

    /// The same, also what never changes otherwise.
    pub fn rewrite(&self, dialect: Dialect) -> String {
        self.set(dialect, |_| true)
    }

    /// Rows whose key is in the JSON list bound as `$1` are removed.
    pub fn delete(&self, dialect: Dialect) -> String {
        let list = match dialect {
            Dialect::Sqlite => "(SELECT value FROM json_each($1))",
            Dialect::Postgres => "(SELECT json_array_elements_text($1::json))",
        };
        format!("DELETE FROM {} WHERE {} IN {list}", self.name, self.key)
    }

    fn set(&self, dialect: Dialect, which: impl Fn(&'static str) -> bool) -> String {
        let changing = self.columns.iter().filter(|column| **column != self.key && which(column));
        let (set, from, key): (Vec<String>, String, String) = match dialect {
            Dialect::Sqlite => (
                changing.map(|column| format!("{column} = json_extract(n.value, '$.{column}')")).collect(),
                "jsonb_each(jsonb($1)) AS n".to_owned(),
                format!("json_extract(n.value, '$.{}')", self.key),
            ),
            Dialect::Postgres => (
                changing.map(|column| format!("{column} = n.{column}")).collect(),
                format!("json_populate_recordset(NULL::{}, $1::json) AS n", self.name),
                format!("n.{}", self.key),
            ),
        };
        format!("UPDATE {} AS t SET {} FROM {from} WHERE t.{} = {key}", self.name, set.join(", "), self.key)
    }

    /// New or replaced rows from a JSON list of objects bound as `$1`.
    pub fn upsert(&self, dialect: Dialect) -> String {
        let set: Vec<String> = self
            .columns
            .iter()
            .filter(|column| **column != self.key && !self.fixed.contains(column))
            .map(|column| format!("{column} = excluded.{column}"))
            .collect();
        format!("{} ON CONFLICT ({}) DO UPDATE SET {}", self.insert(dialect), self.key, set.join(", "))
    }
}

macro_rules! tables {
    ($($constant:ident = $name:literal by $key:literal: $($fixed:ident)* | $($column:ident)*;)*) => {
        $(pub const $constant: Table = Table {
            name: $name,
            key: $key,
            columns: &[$(stringify!($fixed),)* $(stringify!($column)),*],
            fixed: &[$(stringify!($fixed)),*],
        };)*
        /// Every table with its columns; a test compares them with both stores.
        pub const ALL: &[Table] = &[$($constant),*];
    };
}

tables! {
    HEAD = "head" by "id": id | seq hash at writes;
    ENTRIES = "entries" by "seq": seq | at kind request_id job_id attempt_id actor body_json prev hash salt digest redacted;
    TEMPLATES = "templates" by "id": id | digest first_used_at;
    REQUESTS = "requests" by "id": id | idempotency_key body_digest plan_digest template template_version template_digest
        requester team owner reason identity inputs_json spec_json skipped_json jobs created_at;
    JOBS = "jobs" by "id": id request_id position repository identity model wave findings_json prompt_digest priority
        created_at deadline_at replay_of adopts_json |
        state state_since updated_at due_at attempts attempt_id episode reviewer pull_number pull_json outcome_json
        discarded_at checks_json fallen_back;
    PROMPTS = "prompts" by "job_id": job_id | prompt pull_text_json;
    ATTEMPTS = "attempts" by "id": id job_id number nonce identity model intent_at | phase worker_id token started_at
        ended_at end_reason task_id task_url remote_state remote_since remote_updated_at session_count branch
        pull_database_id model_used nano_credits counted;
    BUDGETS = "budgets" by "id": id | used limit_override closed_json version;
    HOLDS = "holds" by "id": id attempt_id job_id budget_id release taken_at expires_at | amount released_at released_by;
    EVIDENCE = "evidence" by "id": id attempt_id job_id kind | at body_json;
    OUTBOX = "outbox" by "id": id dedup kind job_id request_id body_json created_at | tries next_at delivered_at dead_at
        last_error route;
    MAILINGS = "mailings" by "id": id notice_id sink | due_at bundled digest_id tries next_at delivered_at dead_at
        last_error;
    SUMMARIES = "summaries" by "id": id request_id sink | seq handle digest sent_at tries next_at dead_at last_error;
    WORKERS = "workers" by "id": id token name roles started_at | lease_until seen stopped_at;
    FACTS = "facts" by "id": id identity repository | asked_at facts_json;
    LEASES = "leases" by "name": name | worker_id since;
    WAVES = "waves" by "request_id": request_id total | opened opened_at state since actor note;
    APPROVALS = "approvals" by "id": id request_id about | digest actor roles_json reason given_at expires_at;
    BREAKERS = "breakers" by "id": id gate template model | state since trips canary_job canary_attempt reason
        window_json history_json;
    FREEZES = "freezes" by "name": name | body_json actor created_at lifted_at;
    TOKENS = "tokens" by "id": id name digest grant_json created_at created_by expires_at | revoked_at used_at;
    SCHEDULES = "schedules" by "name": name | times considered_at paused_at paused_by paused_reason last_request history_json;
    DELIVERIES = "deliveries" by "id": id hook sender_id fingerprint event received_at signed_at secret bytes |
        state reason request_id attempts due_at settled_at;
    PAYLOADS = "payloads" by "delivery_id": delivery_id | headers_json payload_json;
    ARCHIVE = "archive" by "id": id job_id digest bytes place at | ;
    DESK = "desk" by "id": id | acknowledged_by acknowledged_at snoozed_until assignee actor reason at;
    EXEMPTIONS = "exemptions" by "id": id | of_freeze exempt_json until reason actor created_at;
}
