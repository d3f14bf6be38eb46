//! Copies of the state that can be kept elsewhere, and checks of a copy.

use std::fs::File;
use std::io::{self, Seek as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{
    Builder, ReadOnlyDatabase, ReadableDatabase, ReadableTable, ReadableTableMetadata as _,
    TableError,
};

use super::journal::JOURNAL_FILE;
use super::open::{CACHE_BYTES, refused, schema_of};
use super::replay;
use super::rows::{check_row, decode_head};
use super::{
    ACTIONS, DECIDED, EVENTS, FLOW, FLOW_SUBJECTS, FUSES, LOG, MEMBERS, OWNERS, SCHEMA_VERSION,
    STATUS, Store, StoreError, THREADS, UNSETTLED, tables,
};

/// How many damaged records a [`StateReport`] names.
const MAX_DAMAGED: usize = 100;

/// What is in the file of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StateReport {
    /// The version of the layout.
    pub layout: u64,
    /// The number of events.
    pub events: u64,
    /// The number of actions.
    pub actions: u64,
    /// How many of them are not settled.
    pub unsettled: u64,
    /// The number of records that cannot be read.
    pub damaged: u64,
    /// Which records these are, and why: the first 100.
    pub problems: Vec<String>,
}

impl Store {
    /// Whether this is the copy of a state that replicas share.
    pub(crate) async fn is_shared(&self) -> Result<bool, StoreError> {
        self.read(|transaction| Ok(!transaction.open_table(LOG)?.is_empty()?)).await
    }

    /// Copies everything that is committed now into an unnamed temporary file, and returns it to be read from its start.
    /// The copy is the file of a state without free pages. Writes go on meanwhile.
    ///
    /// The copy needs room on the disk of the state. Pages that are freed while it is made are reused only afterwards.
    ///
    /// # Errors
    ///
    /// [`StoreError::Storage`] if there is no room, or if the state cannot be read, and [`StoreError::Closed`] if it is closed
    /// meanwhile.
    pub async fn copy(&self) -> Result<File, StoreError> {
        if let Some(why) = self.inner.core.capacity.refuses_copy() {
            return Err(StoreError::Storage(why));
        }
        let (folder, closed) = (self.inner.core.opener.folder(), self.inner.closed.subscribe());
        let copied = self.read(move |transaction| {
            let file = match folder {
                Some(folder) => tempfile::tempfile_in(folder),
                None => tempfile::tempfile(),
            };
            let file = file.map_err(|problem| storage(&problem))?;
            let own = file.try_clone().map_err(|problem| storage(&problem))?;
            let backend = FileBackend::new(own).map_err(|problem| storage(&problem))?;
            let copy = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend);
            let copy = copy.map_err(|problem| storage(&problem))?;
            let writing = copy.begin_write()?;
            tables::copy_tables(transaction, &writing, || *closed.borrow())?;
            Ok((file, copy, writing))
        });
        let (mut file, mut copy, writing) = copied.await?;
        // Without the lock of the store: closing it must not wait for this.
        let finished = tokio::task::spawn_blocking(move || {
            writing.commit()?;
            copy.compact().map_err(|problem| storage(&problem))?;
            copy.close().map_err(|problem| storage(&problem))?;
            file.rewind().map_err(|problem| storage(&problem))?;
            Ok(file)
        });
        finished.await.map_err(|problem| StoreError::Internal(problem.to_string()))?
    }
}

impl StateReport {
    /// Reads every table of the file of a state, and changes nothing. The checksums of events, decisions, actions, states
    /// of flow control, threads and fuses are checked; the indexes have none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if a fuse uses it, [`StoreError::Newer`], and [`StoreError::Open`] if it is not a state, is
    /// damaged as a whole, or was not closed and has to be opened by a fuse first.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let database = Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path);
        let database = database.map_err(|problem| refused(path, &problem))?;
        let found = schema_of(&database)?.unwrap_or_default();
        if found == 0 || found > SCHEMA_VERSION {
            return Err(match found {
                0 => StoreError::Open {
                    path: path.display().to_string(),
                    problem: "it contains no state of fuse".to_owned(),
                },
                found => {
                    let path = path.display().to_string();
                    StoreError::Newer { path, found, supported: SCHEMA_VERSION }
                }
            });
        }
        if replay::is_behind(&database, path)? {
            return Err(StoreError::Open {
                path: path.display().to_string(),
                problem:
                    "its journal has changes that it lacks: start fuse, or run `fuse state backup`"
                        .to_owned(),
            });
        }
        let mut report = Self { layout: found, ..Self::default() };
        // The database may panic if its pages are damaged.
        let read = catch_unwind(AssertUnwindSafe(|| report.read(&database)));
        read.unwrap_or_else(|_| {
            Err(StoreError::Open {
                path: path.display().to_string(),
                problem: "it is damaged".to_owned(),
            })
        })?;
        Ok(report)
    }

    fn read(&mut self, database: &ReadOnlyDatabase) -> Result<(), StoreError> {
        let transaction = database.begin_read()?;
        for row in transaction.open_table(EVENTS)?.iter()? {
            let (seq, row) = row?;
            self.note(decode_head(seq.value(), row.value()).err());
        }
        for table in [STATUS, DECIDED, ACTIONS, FLOW, FLOW_SUBJECTS, THREADS, FUSES] {
            let table = match transaction.open_table(table) {
                Ok(table) => table,
                // Older layouts lack some.
                Err(TableError::TableDoesNotExist(_)) => continue,
                Err(problem) => return Err(problem.into()),
            };
            for row in table.iter()? {
                let (key, row) = row?;
                self.note(check_row(key.value(), row.value()).err());
            }
        }
        tables::read_tables(&transaction)?;
        self.events = transaction.open_table(EVENTS)?.len()?;
        self.actions = transaction.open_table(ACTIONS)?.len()?;
        self.unsettled = transaction.open_table(UNSETTLED)?.len()?;
        Ok(())
    }

    fn note(&mut self, problem: Option<StoreError>) {
        let Some(problem) = problem else { return };
        self.damaged = self.damaged.saturating_add(1);
        if self.problems.len() < MAX_DAMAGED {
            self.problems.push(problem.to_string());
        }
    }
}

/// Puts a copy into a state folder that has no state. Its records are read before; those that are damaged are counted, and
/// restored as they are.
///
/// # Errors
///
/// As of [`StateReport::of`], and [`StoreError::Open`] if the folder has a state or cannot be written.
pub fn restore(copy: &Path, folder: &Path) -> Result<StateReport, StoreError> {
    let to = folder.join(super::FILE_NAME);
    let failed = |problem: &dyn std::fmt::Display| StoreError::Open {
        path: to.display().to_string(),
        problem: problem.to_string(),
    };
    if to.exists() {
        return Err(failed(&"there is a state already; choose another folder, or move it away"));
    }
    let report = StateReport::of(copy)?;
    std::fs::create_dir_all(folder).map_err(|problem| failed(&problem))?;
    let mut from = File::open(copy).map_err(|problem| failed(&problem))?;
    // It gets its name last, so that an interrupted run leaves no part of a state.
    let mut written =
        tempfile::NamedTempFile::new_in(folder).map_err(|problem| failed(&problem))?;
    io::copy(&mut from, &mut written).map_err(|problem| failed(&problem))?;
    written.as_file().sync_all().map_err(|problem| failed(&problem))?;
    detach(written.path())?;
    let sync = || match cfg!(unix) {
        true => File::open(folder).and_then(|folder| folder.sync_all()),
        false => Ok(()),
    };
    // A leftover journal belongs to a former state.
    let journal = folder.join(JOURNAL_FILE);
    if journal.exists() {
        let aside = folder.join(format!("{JOURNAL_FILE}.old"));
        std::fs::rename(&journal, aside)
            .and_then(|()| sync())
            .map_err(|problem| failed(&problem))?;
    }
    written.persist_noclobber(&to).map_err(|problem| failed(&problem.error))?;
    sync().map_err(|problem| failed(&problem))?;
    Ok(report)
}

/// Makes a copy a state of its own: it has another journal, and no other replicas.
fn detach(file: &Path) -> Result<(), StoreError> {
    let database = Builder::new().set_cache_size(CACHE_BYTES).open(file);
    let database = database.map_err(|problem| refused(file, &problem))?;
    let mut transaction = database.begin_write()?;
    transaction.set_quick_repair(true);
    replay::assign_id(&transaction)?;
    transaction.open_table(LOG)?.retain(|_, _| false)?;
    transaction.open_table(MEMBERS)?.retain(|_, _| false)?;
    transaction.open_table(OWNERS)?.retain(|_, _| false)?;
    transaction.commit()?;
    database.close().map_err(|problem| storage(&problem))
}

fn storage(problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Storage(problem.to_string())
}
