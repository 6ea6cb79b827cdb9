//! SQLite or PostgreSQL behind one set of queries. Rows travel as JSON text in both directions, so that one
//! statement moves a whole batch and one struct describes a row on both stores.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction};

use crate::ledger::{LedgerError, open::Lock, table::Table};

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

/// A value bound to a statement.
#[derive(Clone, Debug)]
pub enum Bind<'a> {
    Text(&'a str),
    OptionText(Option<&'a str>),
    Int(i64),
}

/// Pools: one connection writes, several read.
#[derive(Clone, Debug)]
pub enum Db {
    Sqlite { write: SqlitePool, read: SqlitePool, lock: Arc<Lock> },
    Postgres(PgPool),
}

/// An open transaction.
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Db {
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite { .. } => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Begins the one kind of writing transaction: it holds the ledger's write lock to its end.
    pub async fn begin(&self) -> Result<Tx, LedgerError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Reads rows of a table. `tail` follows `FROM table t` and may use `{list}` for the JSON list bound as `$1`.
    pub async fn rows<T: DeserializeOwned>(
        &self,
        table: &Table,
        tail: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<T>, LedgerError> {
        self.json(&table.select(self.dialect(), tail), binds).await
    }

    /// Reads any statement whose one column is JSON text.
    pub async fn json<T: DeserializeOwned>(
        &self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<T>, LedgerError> {
        match self {
            Self::Sqlite { read, .. } => parse(fetch_sqlite(read, sql, binds).await?),
            Self::Postgres(pool) => parse(fetch_postgres(pool, sql, binds).await?),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, lock } => {
                read.close().await;
                write.close().await;
                lock.release();
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub const fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// As `Db::rows`, inside the transaction.
    pub async fn rows<T: DeserializeOwned>(
        &mut self,
        table: &Table,
        tail: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<T>, LedgerError> {
        self.json(&table.select(self.dialect(), tail), binds).await
    }

    pub async fn json<T: DeserializeOwned>(
        &mut self,
        sql: &str,
        binds: &[Bind<'_>],
    ) -> Result<Vec<T>, LedgerError> {
        match self {
            Self::Sqlite(tx) => parse(fetch_sqlite(&mut **tx, sql, binds).await?),
            Self::Postgres(tx) => parse(fetch_postgres(&mut **tx, sql, binds).await?),
        }
    }

    /// Rows whose `column` is in `keys`; no statement at all for no keys.
    pub async fn rows_in<T: DeserializeOwned>(
        &mut self,
        table: &Table,
        column: &str,
        keys: &[String],
        and: &str,
    ) -> Result<Vec<T>, LedgerError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let list = serde_json::to_string(keys).map_err(LedgerError::encoding)?;
        let sql = table.select_in(self.dialect(), column, and);
        // One value for all rows: a row of its own for each costs more than reading it.
        let mut lists: Vec<Vec<T>> = self.json(&sql, &[Bind::Text(&list)]).await?;
        Ok(lists.pop().unwrap_or_default())
    }

    /// Writes whole rows, replacing those with the same key.
    pub async fn put<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(&table.upsert(self.dialect()), rows).await
    }

    /// Changes rows that are there.
    pub async fn change<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(&table.update(self.dialect()), rows).await
    }

    /// Changes rows that are there, also what never changes otherwise.
    pub async fn rewrite<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(&table.rewrite(self.dialect()), rows).await
    }

    /// Removes the rows with these keys.
    pub async fn remove(&mut self, table: &Table, keys: &[String]) -> Result<(), LedgerError> {
        self.write(&table.delete(self.dialect()), keys).await
    }

    /// Writes new rows; a row that exists is an error.
    pub async fn add<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(&table.insert(self.dialect()), rows).await
    }

    async fn write<T: Serialize>(&mut self, sql: &str, rows: &[T]) -> Result<(), LedgerError> {
        // Bounded statements: a chunk of JSON stays well below every store's limit on one value.
        for chunk in rows.chunks(2_000) {
            let json = without_nul(serde_json::to_string(chunk).map_err(LedgerError::encoding)?);
            self.execute(sql, &json).await?;
        }
        Ok(())
    }

    async fn execute(&mut self, sql: &str, bind: &str) -> Result<(), LedgerError> {
        let statement = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(tx) => {
                sqlx::query(statement).bind(bind).execute(&mut **tx).await?;
            }
            Self::Postgres(tx) => {
                sqlx::query(statement).bind(bind).execute(&mut **tx).await?;
            }
        }
        Ok(())
    }

    pub async fn commit(self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    pub async fn rollback(self) -> Result<(), LedgerError> {
        match self {
            Self::Sqlite(tx) => tx.rollback().await?,
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }
}

/// How JSON writes a NUL.
const NUL: &str = "\\u0000";

/// No store keeps a NUL in text; a replacement character stands for it.
fn without_nul(json: String) -> String {
    if !json.contains(NUL) {
        return json;
    }
    let mut plain = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        if let Some(after) = escape.strip_prefix(NUL) {
            plain.push('\u{fffd}');
            rest = after;
        } else {
            // Two characters at once, so that an escaped backslash does not begin another escape.
            let (kept, after) = escape.split_at_checked(2).unwrap_or((escape, ""));
            plain.push_str(kept);
            rest = after;
        }
    }
    plain.push_str(rest);
    plain
}

async fn fetch_sqlite<'e, E>(executor: E, sql: &str, binds: &[Bind<'_>]) -> Result<Vec<String>, LedgerError>
where
    E: sqlx::Executor<'e, Database = Sqlite>,
{
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind((*text).to_owned()),
            Bind::OptionText(text) => query.bind(text.map(ToOwned::to_owned)),
            Bind::Int(number) => query.bind(*number),
        };
    }
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0).map_err(LedgerError::from)).collect()
}

async fn fetch_postgres<'e, E>(executor: E, sql: &str, binds: &[Bind<'_>]) -> Result<Vec<String>, LedgerError>
where
    E: sqlx::Executor<'e, Database = Postgres>,
{
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for bind in binds {
        query = match bind {
            Bind::Text(text) => query.bind((*text).to_owned()),
            Bind::OptionText(text) => query.bind(text.map(ToOwned::to_owned)),
            Bind::Int(number) => query.bind(*number),
        };
    }
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(|row| row.try_get::<String, _>(0).map_err(LedgerError::from)).collect()
}

fn parse<T: DeserializeOwned>(rows: Vec<String>) -> Result<Vec<T>, LedgerError> {
    rows.iter().map(|text| serde_json::from_str(text).map_err(LedgerError::encoding)).collect()
}
