//! Opens the store that a ledger lives in: finds it, locks it, brings its tables up to date. It must not read or write rows.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    SqlStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::ledger::{
    LedgerError,
    db::{Bind, Db},
};

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

/// Who writes a SQLite ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// This process only.
    Alone,
    /// Several processes of this machine.
    Shared,
}

const READERS_MAX: u32 = 4;
/// Page cache of a SQLite connection, in KiB (a negative number, says SQLite). Filled as it is used.
const CACHE_KIB: &str = "-32768";
/// A checkpoint writes each changed page once and waits for the disk in the middle of a commit: the fewer, the more changes of
/// one page are written together. 40 MiB of log are read again within a second after a crash.
const CHECKPOINT_PAGES: &str = "10000";
/// How long a writer waits for the others of a shared SQLite file; they hold it for a transaction at a time.
const BUSY_MAX: Duration = Duration::from_secs(20);
/// How long a process that shares a SQLite file waits for one that is opening it.
const JOIN_MAX: Duration = Duration::from_secs(10);
/// Name of each migration, and its text for SQLite and for PostgreSQL; numbered from 1.
const MIGRATIONS: &[(&str, &str, &str)] = &[
    (
        "ledger",
        include_str!("../../migrations/sqlite/0001_ledger.sql"),
        include_str!("../../migrations/postgres/0001_ledger.sql"),
    ),
    (
        "policy",
        include_str!("../../migrations/sqlite/0002_policy.sql"),
        include_str!("../../migrations/postgres/0002_policy.sql"),
    ),
    (
        "facts",
        include_str!("../../migrations/sqlite/0003_facts.sql"),
        include_str!("../../migrations/postgres/0003_facts.sql"),
    ),
    (
        "plan",
        include_str!("../../migrations/sqlite/0004_plan.sql"),
        include_str!("../../migrations/postgres/0004_plan.sql"),
    ),
    (
        "waves",
        include_str!("../../migrations/sqlite/0005_waves.sql"),
        include_str!("../../migrations/postgres/0005_waves.sql"),
    ),
    (
        "times",
        include_str!("../../migrations/sqlite/0006_times.sql"),
        include_str!("../../migrations/postgres/0006_times.sql"),
    ),
    (
        "access",
        include_str!("../../migrations/sqlite/0007_access.sql"),
        include_str!("../../migrations/postgres/0007_access.sql"),
    ),
    (
        "pull_text",
        include_str!("../../migrations/sqlite/0008_pull_text.sql"),
        include_str!("../../migrations/postgres/0008_pull_text.sql"),
    ),
    (
        "schedules",
        include_str!("../../migrations/sqlite/0009_schedules.sql"),
        include_str!("../../migrations/postgres/0009_schedules.sql"),
    ),
    (
        "audit",
        include_str!("../../migrations/sqlite/0010_audit.sql"),
        include_str!("../../migrations/postgres/0010_audit.sql"),
    ),
    (
        "desk",
        include_str!("../../migrations/sqlite/0011_desk.sql"),
        include_str!("../../migrations/postgres/0011_desk.sql"),
    ),
    (
        "hooks",
        include_str!("../../migrations/sqlite/0012_hooks.sql"),
        include_str!("../../migrations/postgres/0012_hooks.sql"),
    ),
    (
        "notices",
        include_str!("../../migrations/sqlite/0013_notices.sql"),
        include_str!("../../migrations/postgres/0013_notices.sql"),
    ),
];
/// The newest migration that this program knows.
const SCHEMA: i64 = MIGRATIONS.len().cast_signed() as i64;

enum Store<'a> {
    Sqlite(PathBuf),
    Postgres(&'a str),
}

/// What the URL names.
fn store(location: &Location) -> Result<Store<'_>, LedgerError> {
    let url = location.url.as_str();
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Store::Postgres(url));
    }
    let scheme = || LedgerError::Location(url.split(':').next().unwrap_or_default().to_owned());
    let path = url.strip_prefix("sqlite:").ok_or_else(scheme)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains(":memory:") {
        return Err(LedgerError::Unreadable(format!(
            "`{url}` names no file, and a ledger must outlive the process: write sqlite:PATH"
        )));
    }
    Ok(Store::Sqlite(PathBuf::from(path)))
}

/// Opens the store, creates the SQLite file when it is missing, and brings the tables up to date.
pub async fn for_writing(location: &Location, purpose: Use) -> Result<Db, LedgerError> {
    let (db, migrated) = match store(location)? {
        Store::Sqlite(path) => {
            let db = sqlite(&path, location.full_durability, purpose).await?;
            let migrations = migrator(|(_, sqlite, _)| sqlite);
            let Db::Sqlite { write, lock, .. } = &db else { return Ok(db) };
            let migrated = migrations.run(write).await;
            if purpose == Use::Shared {
                lock.share()
                    .map_err(|error| LedgerError::Unreadable(format!("{}: {error}", path.display())))?;
            }
            (db, migrated)
        }
        Store::Postgres(url) => {
            let db = postgres(url, location, "off").await?;
            let migrations = migrator(|(_, _, postgres)| postgres);
            let Db::Postgres { read, .. } = &db else { return Ok(db) };
            let migrated = migrations.run(read).await;
            (db, migrated)
        }
    };
    let error = match migrated {
        Ok(()) => return Ok(db),
        Err(MigrateError::VersionMissing(version)) => LedgerError::Newer { version },
        Err(error) => LedgerError::Unreadable(format!("{}: {error}", place(location))),
    };
    db.close().await;
    Err(error)
}

/// Opens a store that must exist, changing nothing.
pub async fn for_reading(location: &Location) -> Result<Db, LedgerError> {
    let db = match store(location)? {
        Store::Sqlite(path) => sqlite_read_only(&path).await?,
        Store::Postgres(url) => postgres(url, location, "on").await?,
    };
    let versions =
        db.json("SELECT CAST(MAX(version) AS TEXT) FROM _sqlx_migrations", &[] as &[Bind<'_>]).await;
    let error = match versions.map(|versions: Vec<i64>| versions.first().copied()) {
        Ok(Some(SCHEMA)) => return Ok(db),
        Ok(Some(version)) if version > SCHEMA => LedgerError::Newer { version },
        Err(error) if !error.to_string().contains("_sqlx_migrations") => {
            LedgerError::Unreadable(format!("{}: {error}", place(location)))
        }
        Ok(_) | Err(_) => LedgerError::Unreadable(format!(
            "{} holds no ledger of this version: start the daemon once to make or upgrade it",
            place(location)
        )),
    };
    db.close().await;
    Err(error)
}

fn migrator(text: fn((&'static str, &'static str, &'static str)) -> &'static str) -> Migrator {
    let migration = |(number, names): (i64, (&'static str, &'static str, &'static str))| {
        let sql = SqlStr::from_static(text(names));
        Migration::new(number, names.0.into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations((1..).zip(MIGRATIONS.iter().copied()).map(migration).collect())
}

/// Names the store in a message, without what may be secret in its URL.
fn place(location: &Location) -> String {
    match store(location) {
        Ok(Store::Sqlite(path)) => path.display().to_string(),
        Ok(Store::Postgres(url)) => {
            let options = PgConnectOptions::from_str(url).unwrap_or_default();
            let database = options.get_database().unwrap_or_default();
            format!("database {database} at {}:{}", options.get_host(), options.get_port())
        }
        Err(_) => "the ledger".to_owned(),
    }
}

async fn sqlite(path: &Path, full_durability: bool, purpose: Use) -> Result<Db, LedgerError> {
    let unreadable =
        |error: &dyn std::fmt::Display| LedgerError::Unreadable(format!("{}: {error}", path.display()));
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        tokio::fs::create_dir_all(parent).await.map_err(|error| unreadable(&error))?;
    }
    let lock = Arc::new(match purpose {
        Use::Alone => Lock::take(path)?,
        Use::Shared => Lock::join(path).await?,
    });
    let synchronous = if full_durability { SqliteSynchronous::Full } else { SqliteSynchronous::Normal };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        .foreign_keys(true)
        .statement_cache_capacity(200)
        .pragma("cache_size", CACHE_KIB)
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .busy_timeout(match purpose {
            Use::Alone => Duration::from_secs(5),
            Use::Shared => BUSY_MAX,
        });
    let pool =
        |size: u32| SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(30));
    let write = pool(1).connect_with(options.clone()).await.map_err(|error| unreadable(&error))?;
    let read = pool(READERS_MAX).connect_with(options).await.map_err(|error| unreadable(&error))?;
    Ok(Db::Sqlite { write, read, lock })
}

async fn sqlite_read_only(path: &Path) -> Result<Db, LedgerError> {
    let unreadable = |error: sqlx::Error| LedgerError::Unreadable(format!("{}: {error}", path.display()));
    let options =
        SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(Duration::from_secs(5));
    let pool = SqlitePoolOptions::new().max_connections(READERS_MAX);
    let read = pool.connect_with(options).await.map_err(unreadable)?;
    Ok(Db::Sqlite { write: read.clone(), read, lock: Arc::default() })
}

async fn postgres(url: &str, location: &Location, read_only: &str) -> Result<Db, LedgerError> {
    let unreadable = |error: sqlx::Error| LedgerError::Unreadable(format!("{}: {error}", place(location)));
    // The writer waits for the head row and must then see what the one before it committed.
    let settings =
        [("default_transaction_isolation", "read committed"), ("default_transaction_read_only", read_only)];
    let mut options = PgConnectOptions::from_str(url).map_err(unreadable)?.options(settings);
    if let Some(password) = &location.password {
        options = options.password(password.expose_secret());
    }
    let pool =
        |size: u32| PgPoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(10));
    let read = pool(READERS_MAX).connect_with(options.clone()).await.map_err(unreadable)?;
    // A connection lives where it was made, and this one belongs to the writer's thread.
    let write = pool(1).connect_lazy_with(options);
    Ok(Db::Postgres { write, read })
}

/// The right of one process, or of several that share, to write a SQLite ledger: a lock on the file `<ledger>.lock` beside it. It is advisory and ends
/// with the process, so nothing is left to clean up after a crash.
#[derive(Debug, Default)]
pub struct Lock(Mutex<Option<File>>);

impl Lock {
    fn take(ledger: &Path) -> Result<Self, LedgerError> {
        let file = Self::file(ledger)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(Mutex::new(Some(file)))),
            Err(TryLockError::WouldBlock) => Err(LedgerError::Locked(ledger.display().to_string())),
            Err(TryLockError::Error(error)) => Err(Self::unreadable(ledger, &error)),
        }
    }

    /// Alone, so that the tables may be made, until `share`; or beside others that have come so far. While another process opens
    /// the ledger, and no longer than that, this waits.
    async fn join(ledger: &Path) -> Result<Self, LedgerError> {
        let file = Self::file(ledger)?;
        let mut waited = Duration::ZERO;
        loop {
            for tried in [file.try_lock(), file.try_lock_shared()] {
                match tried {
                    Ok(()) => return Ok(Self(Mutex::new(Some(file)))),
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(Self::unreadable(ledger, &error)),
                }
            }
            if waited >= JOIN_MAX {
                return Err(LedgerError::Locked(ledger.display().to_string()));
            }
            let pause = Duration::from_millis(20);
            tokio::time::sleep(pause).await;
            waited = waited.saturating_add(pause);
        }
    }

    /// Lets the others in.
    fn share(&self) -> std::io::Result<()> {
        let file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.as_ref().map_or(Ok(()), File::lock_shared)
    }

    fn file(ledger: &Path) -> Result<File, LedgerError> {
        let opened = File::options().create(true).truncate(false).write(true).open(Self::path(ledger));
        opened.map_err(|error| Self::unreadable(ledger, &error))
    }

    fn path(ledger: &Path) -> PathBuf {
        let mut path = ledger.as_os_str().to_owned();
        path.push(".lock");
        PathBuf::from(path)
    }

    fn unreadable(ledger: &Path, error: &std::io::Error) -> LedgerError {
        LedgerError::Unreadable(format!("{}: {error}", Self::path(ledger).display()))
    }

    /// For the next process. A second time changes nothing.
    pub fn release(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
