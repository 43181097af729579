//! The embedded store: one SQLite file in the data folder.
//!
//! It is written through one connection, on a thread of low priority, and read through a few
//! others, on tokio's blocking threads. In WAL mode readers and the writer never wait for each
//! other. A commit survives the death of the process; a loss of power may cost the last commits,
//! never the file.

mod orders;
mod read;
mod rows;
mod schema;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use phony_call::CallSid;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::writer::Writer;
use super::{
    Appended, CallSummary, Chunk, ListQuery, Page, Store, StoreError, StoreFuture, UnplacedOrder,
};
use crate::config::Retention;
use crate::data_dir::{check_file, explained, private};

/// The file's name in the data folder.
pub const FILE: &str = "phony.db";

/// Reads that run at a time.
const READERS: usize = 4;
/// The page cache of a connection. Writing needs only the newest pages; a search reads many.
const WRITING_KIB: i64 = 2_000;
const READING_KIB: i64 = 16_000;
/// How long a statement waits for another process that has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The most pages that a file can have.
const NO_LIMIT: u64 = u32::MAX as u64 - 1;
/// Calls that are deleted in one step, for which other writes wait.
const DELETE_BATCH: u64 = 50;
/// How many rounds of deletion bring the file down to its size limit.
const ROUNDS: u32 = 3;
const DELETING: &str = "old calls cannot be deleted";

/// A store in an SQLite file.
#[derive(Debug, Clone)]
pub struct Sqlite(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Sqlite {
    /// Opens the file, creates it if it does not exist, and migrates it to the current schema.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        usable(path).map_err(|error| {
            let problem = format!("the store {} cannot be opened", path.display());
            StoreError::failed(problem, error)
        })?;
        let mut connection = connect(path, WRITING_KIB)?;
        schema::prepare(&mut connection, path)?;
        let writer = Writer::start(connection)
            .map_err(|error| StoreError::failed("the store's thread cannot be started", error))?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            writer,
            readers: Mutex::default(),
            permits: Semaphore::new(READERS),
        })))
    }

    /// Limits the file to a size in bytes, as a full disk would; `None` lets it grow. For tests.
    pub async fn cap(&self, bytes: Option<u64>) -> Result<(), StoreError> {
        self.write("the size cannot be set", move |connection| {
            let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = bytes.map_or(NO_LIMIT, |bytes| (bytes / page).max(1));
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        })
        .await
    }

    /// Deletes the oldest ended calls, at most `most`, in small steps between which others write;
    /// then shrinks the file.
    async fn forget(&self, before: Option<i64>, most: u64) -> Result<u64, StoreError> {
        let mut gone = 0;
        while gone < most {
            let step = (most - gone).min(DELETE_BATCH);
            let forget = move |c: &mut Connection| write::forget(c, before, step);
            match self.write(DELETING, forget).await? {
                0 => break,
                calls => gone += calls,
            }
        }
        let mut first = true;
        while gone > 0 && self.write(DELETING, move |c| write::compact(c, first)).await? {
            first = false;
        }
        Ok(gone)
    }

    /// Runs work on the writing connection.
    async fn write<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self.0.writer.run(work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.0.failed(doing, error)),
            Err(error) => Err(self.0.failed(doing, error)),
        }
    }

    /// Runs work on a reading connection, on a blocking thread.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        const DOING: &str = "calls cannot be read";
        let permit = self.0.permits.acquire().await;
        let inner = Arc::clone(&self.0);
        let done = spawn_blocking(move || {
            let free = lock(&inner.readers).pop();
            let connection = match free {
                Some(connection) => connection,
                None => connect(&inner.path, READING_KIB)?,
            };
            let done = work(&connection).map_err(|error| inner.failed(DOING, error));
            lock(&inner.readers).push(connection);
            done
        });
        let done = done.await;
        drop(permit);
        done.unwrap_or_else(|error| Err(self.0.failed(DOING, error)))
    }
}

impl Inner {
    fn failed(
        &self,
        doing: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> StoreError {
        StoreError::failed(format!("{doing} ({})", self.path.display()), source)
    }
}

impl Store for Sqlite {
    fn append(&self, chunks: Vec<Chunk>) -> StoreFuture<'_, Vec<Appended>> {
        let write = self.write("calls cannot be written", move |c| write::append(c, &chunks));
        Box::pin(write)
    }

    fn claim<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<u64>> {
        let call = call.clone();
        Box::pin(self.write("a call cannot be claimed", move |c| write::claim(c, &call)))
    }

    fn events<'a>(
        &'a self,
        call: &'a CallSid,
        after: u64,
    ) -> StoreFuture<'a, Option<Vec<Utf8Bytes>>> {
        let call = call.clone();
        Box::pin(self.read(move |c| read::events(c, &call, after)))
    }

    fn summary<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, Option<CallSummary>> {
        let call = call.clone();
        Box::pin(self.read(move |c| read::summary(c, &call)))
    }

    fn list<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Page> {
        let wanted = wanted.clone();
        Box::pin(self.read(move |c| read::list(c, &wanted)))
    }

    fn open_calls(&self) -> StoreFuture<'_, Vec<CallSummary>> {
        Box::pin(self.read(read::open))
    }

    fn set_status<'a>(&'a self, call: &'a CallSid, status: &'a str) -> StoreFuture<'a, bool> {
        let (call, status) = (call.clone(), status.to_owned());
        let write = move |c: &mut Connection| write::set_status(c, &call, &status);
        Box::pin(self.write("a call's status cannot be written", write))
    }

    fn delete<'a>(&'a self, call: &'a CallSid) -> StoreFuture<'a, bool> {
        let call = call.clone();
        Box::pin(self.write("a call cannot be deleted", move |c| write::delete(c, &call)))
    }

    fn put_orders(&self, orders: Vec<UnplacedOrder>) -> StoreFuture<'_, ()> {
        let write = move |c: &mut Connection| orders::put(c, &orders);
        Box::pin(self.write("orders cannot be written", write))
    }

    fn orders<'a>(&'a self, wanted: &'a ListQuery) -> StoreFuture<'a, Vec<UnplacedOrder>> {
        let wanted = wanted.clone();
        Box::pin(self.read(move |c| orders::list(c, &wanted)))
    }

    fn order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, Option<UnplacedOrder>> {
        let id = id.clone();
        Box::pin(self.read(move |c| orders::find(c, &id)))
    }

    fn delete_order<'a>(&'a self, id: &'a CallSid) -> StoreFuture<'a, bool> {
        let id = id.clone();
        Box::pin(self.write("an order cannot be deleted", move |c| orders::delete(c, &id)))
    }

    fn retain<'a>(&'a self, retention: &'a Retention, now: Timestamp) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let mut gone = 0;
            if let Some(age) = retention.age {
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                let before = now.as_millisecond().saturating_sub(age);
                gone += self.forget(Some(before), u64::MAX).await?;
                self.write(DELETING, move |c| orders::forget(c, before)).await?;
            }
            if let Some(most) = retention.bytes {
                // How much room calls take is known only when they are deleted.
                for _ in 0..ROUNDS {
                    let excess = self.write(DELETING, move |c| write::excess(c, most)).await?;
                    match self.forget(None, excess).await? {
                        0 => break,
                        calls => gone += calls,
                    }
                }
            }
            Ok(gone)
        })
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.write("calls cannot be written", write::check))
    }
}

/// Creates the file if it does not exist, readable by its owner alone, and checks that it and the
/// files beside it can be opened: `SQLite` does not say which of them cannot, or why.
fn usable(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    match private(options.write(true).create_new(true)).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(explained(path, &error));
        }
        Ok(_) | Err(_) => {}
    }
    for ending in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        check_file(Path::new(&name))?;
    }
    Ok(())
}

/// Opens a connection with the settings that all connections share.
fn connect(path: &Path, cache_kib: i64) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        // Deleted content is overwritten, and must not survive in a temporary file.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "cache_size", -cache_kib)?;
        // Otherwise a statement is prepared again for each new value.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| {
        StoreError::failed(format!("the store {} cannot be opened", path.display()), error)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No panic under these locks could leave a list half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
