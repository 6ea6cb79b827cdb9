//! SQLite or PostgreSQL behind one set of queries. One statement moves a whole batch, and one struct describes a row on both
//! stores: rows are written as the plain values of their columns, and read as JSON text.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Arguments as _, AssertSqlSafe, PgPool, Postgres, Row, Sqlite, SqlitePool, Transaction,
    postgres::PgArguments, sqlite::SqliteArguments,
};

use crate::ledger::{
    LedgerError,
    cells::{Cell, cells},
    open::Lock,
    table::{POSTGRES_ROWS, SQLITE_ROWS, Statement, Table},
};

/// Writes one thing after another; while the store takes one, the next is made ready.
macro_rules! write_each {
    ($ready:ident, |$next:ident| $write:expr) => {{
        let mut ready = $ready;
        let mut next = ready.next().transpose()?;
        while let Some($next) = next {
            let (written, after) = tokio::join!(biased; $write, async { ready.next().transpose() });
            written?;
            next = after?;
        }
    }};
}

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The texts of the JSON list bound as `$1`, to look for with `IN`. PostgreSQL takes a JSON list for a hundred texts whatever it holds, and
    /// then reads whole tables that are not large; an array it takes for ten, and uses their indexes.
    pub const fn list(self) -> &'static str {
        match self {
            Self::Sqlite => "(SELECT value FROM json_each($1))",
            Self::Postgres => "(SELECT unnest(ARRAY(SELECT json_array_elements_text($1::json))))",
        }
    }
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
    Postgres { write: PgPool, read: PgPool },
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
            Self::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Begins the one kind of writing transaction: it holds the ledger's write lock to its end.
    pub async fn begin(&self) -> Result<Tx, LedgerError> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres { write, .. } => Tx::Postgres(write.begin().await?),
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
            Self::Postgres { read, .. } => parse(fetch_postgres(read, sql, binds).await?),
        }
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, lock } => {
                read.close().await;
                write.close().await;
                lock.release();
            }
            Self::Postgres { write, read } => {
                read.close().await;
                write.close().await;
            }
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
        self.write(table, Table::upsert, rows).await
    }

    /// Changes rows that are there.
    pub async fn change<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(table, Table::update, rows).await
    }

    /// Changes rows that are there, also what never changes otherwise.
    pub async fn rewrite<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(table, Table::rewrite, rows).await
    }

    /// Writes new rows; a row that exists is an error.
    pub async fn add<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(table, Table::insert, rows).await
    }

    async fn write<T: Serialize>(
        &mut self,
        table: &Table,
        statement: impl Fn(&Table, Dialect) -> Statement,
        rows: &[T],
    ) -> Result<(), LedgerError> {
        if rows.is_empty() {
            return Ok(());
        }
        let Statement { sql, columns } = statement(table, self.dialect());
        let sql = || AssertSqlSafe(sql.as_str());
        match self {
            Self::Sqlite(tx) => {
                let ready = rows
                    .chunks(SQLITE_ROWS)
                    .map(|some| values(cells(some, &columns).map_err(LedgerError::encoding)?));
                write_each!(ready, |values| sqlx::query_with(sql(), values).execute(&mut **tx));
            }
            Self::Postgres(tx) => {
                let ready = rows.chunks(POSTGRES_ROWS).map(|some| {
                    lists(table, &columns, &cells(some, &columns).map_err(LedgerError::encoding)?)
                });
                write_each!(ready, |lists| sqlx::query_with(sql(), lists).execute(&mut **tx));
            }
        }
        Ok(())
    }

    /// Removes the rows with these keys.
    pub async fn remove(&mut self, table: &Table, keys: &[String]) -> Result<(), LedgerError> {
        if keys.is_empty() {
            return Ok(());
        }
        let list = serde_json::to_string(keys).map_err(LedgerError::encoding)?;
        let statement = table.delete(self.dialect());
        match self {
            Self::Sqlite(tx) => {
                sqlx::query(AssertSqlSafe(statement)).bind(list).execute(&mut **tx).await?;
            }
            Self::Postgres(tx) => {
                sqlx::query(AssertSqlSafe(statement)).bind(list).execute(&mut **tx).await?;
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

/// Each value for itself.
fn values(cells: Vec<Cell>) -> Result<SqliteArguments, LedgerError> {
    let mut values = SqliteArguments::default();
    values.reserve(cells.len(), 0);
    for cell in cells {
        let added = match cell {
            Cell::Null => values.add(None::<i64>),
            Cell::Int(number) => values.add(number),
            Cell::Text(text) => values.add(text),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(values)
}

/// The values of each column as one list.
fn lists(table: &Table, columns: &[&str], cells: &[Cell]) -> Result<PgArguments, LedgerError> {
    let mut lists = PgArguments::default();
    for (at, column) in columns.iter().enumerate() {
        let of_column = cells.iter().skip(at).step_by(columns.len());
        let added = if table.numbers.contains(column) {
            lists.add(of_column.map(Cell::number).collect::<Result<Vec<_>, _>>()?)
        } else {
            lists.add(of_column.map(Cell::text).collect::<Result<Vec<_>, _>>()?)
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(lists)
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
