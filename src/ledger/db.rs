//! SQLite or PostgreSQL behind one set of queries. Rows travel as JSON text in both directions, so that one
//! statement moves a whole batch and one struct describes a row on both stores.

use std::{str::FromStr, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    AssertSqlSafe, PgPool, Postgres, Row, SqlStr, Sqlite, SqlitePool, Transaction,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::ledger::{LedgerError, table::Table};

/// Where the ledger is.
#[derive(Clone, Debug)]
pub struct Location {
    /// `sqlite:PATH` or `postgres://...`.
    pub url: String,
    /// Of the PostgreSQL user, when it is not part of the environment's own way to log in.
    pub password: Option<SecretString>,
    /// SQLite only: survive a power cut (`FULL`), not only a crash of the process.
    pub full_durability: bool,
}

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
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

/// An open transaction.
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

const READERS_MAX: u32 = 4;

impl Db {
    /// Opens the store, creates the SQLite file when it is missing, and brings the tables up to date.
    pub async fn open(location: &Location) -> Result<Self, LedgerError> {
        let db = if location.url.starts_with("sqlite:") {
            open_sqlite(location).await?
        } else if location.url.starts_with("postgres://") || location.url.starts_with("postgresql://") {
            open_postgres(location).await?
        } else {
            return Err(LedgerError::Location(location.url.split(':').next().unwrap_or_default().to_owned()));
        };
        let migrated = match &db {
            Self::Sqlite { write, .. } => {
                migrator(include_str!("../../migrations/sqlite/0001_ledger.sql")).run(write).await
            }
            Self::Postgres(pool) => {
                migrator(include_str!("../../migrations/postgres/0001_ledger.sql")).run(pool).await
            }
        };
        match migrated {
            Ok(()) => Ok(db),
            Err(sqlx::migrate::MigrateError::VersionMissing(version)) => Err(LedgerError::Newer { version }),
            Err(error) => Err(LedgerError::Unreadable(error.to_string())),
        }
    }

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
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
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
        let sql = table.select(self.dialect(), tail);
        match self {
            Self::Sqlite(tx) => parse(fetch_sqlite(&mut **tx, &sql, binds).await?),
            Self::Postgres(tx) => parse(fetch_postgres(&mut **tx, &sql, binds).await?),
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
        self.rows(table, &format!("WHERE t.{column} IN {{list}} {and}"), &[Bind::Text(&list)]).await
    }

    /// Writes whole rows, replacing those with the same key.
    pub async fn put<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(&table.upsert(self.dialect()), rows).await
    }

    /// Writes new rows; a row that exists is an error.
    pub async fn add<T: Serialize>(&mut self, table: &Table, rows: &[T]) -> Result<(), LedgerError> {
        self.write(&table.insert(self.dialect()), rows).await
    }

    async fn write<T: Serialize>(&mut self, sql: &str, rows: &[T]) -> Result<(), LedgerError> {
        // Bounded statements: a chunk of JSON stays well below every store's limit on one value.
        for chunk in rows.chunks(2_000) {
            let json = serde_json::to_string(chunk).map_err(LedgerError::encoding)?;
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

fn migrator(sql: &'static str) -> Migrator {
    let first = Migration::new(1, "ledger".into(), MigrationType::Simple, SqlStr::from_static(sql), false);
    Migrator::with_migrations(vec![first])
}

async fn open_sqlite(location: &Location) -> Result<Db, LedgerError> {
    let unreadable = |error: sqlx::Error| LedgerError::Unreadable(error.to_string());
    let path = location.url.trim_start_matches("sqlite:").trim_start_matches("//");
    let parent = std::path::Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        tokio::fs::create_dir_all(parent)
            .await
            .map_err(|error| LedgerError::Unreadable(format!("{}: {error}", parent.display())))?;
    }
    let synchronous =
        if location.full_durability { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    let options = SqliteConnectOptions::from_str(&format!("sqlite:{path}"))
        .map_err(unreadable)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .statement_cache_capacity(200)
        .busy_timeout(Duration::from_secs(5));
    let pool =
        |size: u32| SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(30));
    let write = pool(1).connect_with(options.clone()).await.map_err(unreadable)?;
    let read = pool(READERS_MAX).connect_with(options).await.map_err(unreadable)?;
    Ok(Db::Sqlite { write, read })
}

async fn open_postgres(location: &Location) -> Result<Db, LedgerError> {
    let unreadable = |error: sqlx::Error| LedgerError::Unreadable(error.to_string());
    let mut options = PgConnectOptions::from_str(&location.url).map_err(unreadable)?;
    if let Some(password) = &location.password {
        options = options.password(password.expose_secret());
    }
    let pool = PgPoolOptions::new()
        .max_connections(READERS_MAX.saturating_add(1))
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await
        .map_err(unreadable)?;
    Ok(Db::Postgres(pool))
}
