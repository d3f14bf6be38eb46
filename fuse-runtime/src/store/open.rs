//! Opening the file: its permissions, its lock, and its layout.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata as _,
    TableError, WriteTransaction,
};

use super::faults::Faults;
use super::file::{FileLength, StoreFile};
use super::journal::Journal;
use super::{
    DUE, DUE_HOURS, EVENT_BYTES, EVENTS, FILE_NAME, FLOW, META, SCHEMA, SCHEMA_VERSION, SizeLimits,
    StoreError, create_tables, replay,
};

/// How much of a copy is cached in memory, in bytes.
pub(super) const CACHE_BYTES: usize = 32 << 20;
/// About how many bytes a decision that waits needs: its rendered action, and when it is due.
const BYTES_OF_WAIT: u64 = 4_096;
/// The same for a state of flow control, with its key and what it belongs to.
const BYTES_OF_STATE: u64 = 512;
/// The smallest file that is worth compacting, in bytes.
const MIN_COMPACTED_BYTES: u64 = 16 << 20;

/// Opens the database, the first time and after each failure.
#[derive(Debug)]
pub(super) struct Opener {
    /// The state folder; `None` in memory.
    dir: Option<PathBuf>,
    /// How much of the database is cached in memory, in bytes.
    cache: usize,
    length: FileLength,
    pub(super) faults: Faults,
}

pub(super) struct OpenedFile {
    pub(super) database: Database,
    /// Whether the file did not exist before.
    pub(super) is_new: bool,
}

impl Opener {
    pub(super) fn file(dir: &Path, limits: &SizeLimits) -> Self {
        Self::new(Some(dir.to_owned()), limits)
    }

    pub(super) fn memory() -> Self {
        Self::new(None, &SizeLimits::default())
    }

    fn new(dir: Option<PathBuf>, limits: &SizeLimits) -> Self {
        let cache = usize::try_from(limits.cache).unwrap_or(usize::MAX);
        Self { dir, cache, length: FileLength::default(), faults: Faults::default() }
    }

    pub(super) fn folder(&self) -> Option<PathBuf> {
        self.dir.clone()
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.folder().map(|dir| dir.join(FILE_NAME))
    }

    /// The journal of the state folder; `None` in memory.
    pub(super) fn journal(&self) -> Option<Journal> {
        Some(Journal::new(self.dir.as_deref()?, self.faults.clone()))
    }

    /// The length of the file, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length.get()
    }

    pub(super) fn open(&self) -> Result<OpenedFile, StoreError> {
        match &self.dir {
            Some(dir) => self.open_file(dir),
            None => self.open_memory(),
        }
    }

    fn open_memory(&self) -> Result<OpenedFile, StoreError> {
        let path = Path::new("in memory");
        let database = Builder::new()
            .create_with_backend(StoreFile::memory(self.length.clone()))
            .map_err(|problem| refused(path, &problem))?;
        let is_new = prepare(&database, path)?;
        Ok(OpenedFile { database, is_new })
    }

    fn open_file(&self, dir: &Path) -> Result<OpenedFile, StoreError> {
        fs::create_dir_all(dir).map_err(|problem| cannot_open(dir, &problem))?;
        let path = dir.join(FILE_NAME);
        let file = open_private(&path).map_err(|problem| cannot_open(&path, &problem))?;
        let backend = StoreFile::file(file, self.length.clone(), self.faults.clone());
        let database = backend
            .and_then(|backend| {
                Builder::new().set_cache_size(self.cache).create_with_backend(backend)
            })
            .map_err(|problem| refused(&path, &problem))?;
        let is_new = prepare(&database, &path)?;
        // The name of a new file is durable only once its folder is flushed as well.
        #[cfg(unix)]
        File::open(dir)
            .and_then(|folder| folder.sync_all())
            .map_err(|problem| cannot_open(dir, &problem))?;
        Ok(OpenedFile { database, is_new })
    }
}

/// Compacts a file of `length` bytes, if less than a quarter of it is needed. Returns whether it did.
pub(super) fn compact(database: &mut Database, length: u64) -> Result<bool, String> {
    let needed = needed_bytes(database).map_err(|problem| problem.to_string())?;
    if length <= MIN_COMPACTED_BYTES || needed.saturating_mul(4) > length {
        return Ok(false);
    }
    database.compact().map_err(|problem| problem.to_string())
}

/// About how many bytes the records need. Compacting a file that is not mostly free takes long and saves nothing.
fn needed_bytes(database: &Database) -> Result<u64, StoreError> {
    let transaction = database.begin_read()?;
    let waits = transaction.open_table(DUE)?.len()? + transaction.open_table(DUE_HOURS)?.len()?;
    let states = transaction.open_table(FLOW)?.len()?;
    // The records about an event take about as much space as the event.
    let events = event_bytes(database)?.saturating_mul(2);
    let waits = waits.saturating_mul(BYTES_OF_WAIT);
    Ok(events.saturating_add(waits).saturating_add(states.saturating_mul(BYTES_OF_STATE)))
}

/// The size of the rows of all events, as it is recorded.
pub(super) fn event_bytes(database: &Database) -> Result<u64, StoreError> {
    let meta = database.begin_read()?.open_table(META)?;
    Ok(meta.get(EVENT_BYTES)?.map_or(0, |bytes| bytes.value()))
}

/// The same in a transaction.
pub(super) fn bytes_of_events(transaction: &WriteTransaction) -> Result<u64, StoreError> {
    let meta = transaction.open_table(META)?;
    Ok(meta.get(EVENT_BYTES)?.map_or(0, |bytes| bytes.value()))
}

/// Opens a file that only its owner can read, and creates it if it is missing.
pub(super) fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Refuses a newer layout before anything is written, creates the tables of a new file, and migrates an
/// older layout. Returns whether the file is new.
fn prepare(database: &Database, path: &Path) -> Result<bool, StoreError> {
    let found = schema_of(database)?;
    match found {
        Some(found) if found > SCHEMA_VERSION => Err(StoreError::Newer {
            path: path.display().to_string(),
            found,
            supported: SCHEMA_VERSION,
        }),
        Some(SCHEMA_VERSION) => Ok(false),
        older => {
            let mut transaction = database.begin_write()?;
            transaction.set_quick_repair(true);
            create_tables(&transaction)?;
            let bytes = if older.is_some() { sum_of_events(&transaction)? } else { 0 };
            let mut meta = transaction.open_table(META)?;
            meta.insert(EVENT_BYTES, bytes)?;
            meta.insert(SCHEMA, SCHEMA_VERSION)?;
            drop(meta);
            replay::assign_id(&transaction)?;
            transaction.commit()?;
            Ok(older.is_none())
        }
    }
}

/// The size of all events, which version 1 of the layout did not record.
fn sum_of_events(transaction: &WriteTransaction) -> Result<u64, StoreError> {
    let mut bytes = 0_u64;
    for entry in transaction.open_table(EVENTS)?.iter()? {
        let (_, row) = entry?;
        bytes = bytes.saturating_add(row.value().len() as u64);
    }
    Ok(bytes)
}

pub(super) fn schema_of(database: &impl ReadableDatabase) -> Result<Option<u64>, StoreError> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(SCHEMA)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(problem) => Err(problem.into()),
    }
}

pub(super) fn refused(path: &Path, problem: &DatabaseError) -> StoreError {
    match problem {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked { path: path.display().to_string() }
        }
        DatabaseError::Storage(redb::StorageError::Io(problem))
            if problem.kind() == std::io::ErrorKind::InvalidData =>
        {
            cannot_open(path, &"it is not a fuse store, or it is damaged")
        }
        // Only opening it to read needs a file that was closed.
        DatabaseError::RepairAborted => cannot_open(
            path,
            &"its fuse was killed, so it must be repaired first: start fuse, or run `fuse state backup`",
        ),
        other => cannot_open(path, other),
    }
}

fn cannot_open(path: &Path, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Open { path: path.display().to_string(), problem: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn what_waits_is_needed() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new()).unwrap();
        let transaction = database.begin_write().unwrap();
        create_tables(&transaction).unwrap();
        for number in 0..100 {
            let name = number.to_string();
            transaction.open_table(DUE).unwrap().insert((0, number, &*name), "event").unwrap();
            transaction.open_table(FLOW).unwrap().insert(&*name, &b"{}"[..]).unwrap();
        }
        transaction.open_table(META).unwrap().insert(EVENT_BYTES, 1_000).unwrap();
        transaction.commit().unwrap();
        let expected = 2 * 1_000 + 100 * (BYTES_OF_WAIT + BYTES_OF_STATE);
        assert_eq!(needed_bytes(&database).unwrap(), expected);
    }
}
