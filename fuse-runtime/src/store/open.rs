//! Opening the file: who may read it, who holds it, which layout it has.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Builder, Database, DatabaseError, ReadableDatabase, TableError};

use super::{FILE_NAME, META, SCHEMA, SCHEMA_VERSION, StoreError, create_tables};

/// How much of the file to keep in memory, in bytes. redb's own default is 1 GiB, too much for a
/// program that is to run beside others.
const CACHE_BYTES: usize = 64 << 20;

pub(super) fn memory() -> Result<Database, StoreError> {
    let path = Path::new("in memory");
    let database = Builder::new()
        .create_with_backend(InMemoryBackend::new())
        .map_err(|problem| refused(path, &problem))?;
    prepare(&database, path)?;
    Ok(database)
}

pub(super) fn file(dir: &Path) -> Result<Database, StoreError> {
    fs::create_dir_all(dir).map_err(|problem| cannot_open(dir, &problem))?;
    let path = dir.join(FILE_NAME);
    let file = open_private(&path).map_err(|problem| cannot_open(&path, &problem))?;
    let database = FileBackend::new(file)
        .and_then(|backend| Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend))
        .map_err(|problem| refused(&path, &problem))?;
    prepare(&database, &path)?;
    // A new file's name is safe only once its folder is flushed as well.
    #[cfg(unix)]
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(|problem| cannot_open(dir, &problem))?;
    Ok(database)
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Refuses a newer layout before anything is written; gives a new file its tables.
fn prepare(database: &Database, path: &Path) -> Result<(), StoreError> {
    match schema_of(database)? {
        Some(found) if found > SCHEMA_VERSION => Err(StoreError::Newer {
            path: path.display().to_string(),
            found,
            supported: SCHEMA_VERSION,
        }),
        Some(_) => Ok(()),
        None => {
            let mut transaction = database.begin_write()?;
            transaction.set_quick_repair(true);
            create_tables(&transaction)?;
            transaction.open_table(META)?.insert(SCHEMA, SCHEMA_VERSION)?;
            Ok(transaction.commit()?)
        }
    }
}

fn schema_of(database: &Database) -> Result<Option<u64>, StoreError> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => Ok(meta.get(SCHEMA)?.map(|version| version.value())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(problem) => Err(problem.into()),
    }
}

fn refused(path: &Path, problem: &DatabaseError) -> StoreError {
    match problem {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked { path: path.display().to_string() }
        }
        DatabaseError::Storage(redb::StorageError::Io(problem))
            if problem.kind() == std::io::ErrorKind::InvalidData =>
        {
            cannot_open(path, &"it is not a fuse store, or it is damaged")
        }
        other => cannot_open(path, other),
    }
}

fn cannot_open(path: &Path, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Open { path: path.display().to_string(), problem: problem.to_string() }
}
