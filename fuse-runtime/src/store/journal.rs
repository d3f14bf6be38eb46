//! The journal: the file in which changes are durable before the database has them on disk.
//!
//! The changes that are flushed together are one **record** at the end of the journal. A flush of blocks that the file
//! already has is the cheapest durable write that a disk offers. The database would write every page that it changes, and
//! flush twice. It is flushed only at a **checkpoint**. The journal then starts from the beginning of its file again, so it
//! stays small and reuses its blocks. After a crash, the records that the database lacks are applied to it.
//!
//! A record consists of the length of its content (4 bytes, big-endian), a CRC-32 of everything else (4 bytes), its
//! position (8 bytes), and its content. Positions increase by one per record, which distinguishes new records from those
//! before the last checkpoint that the file still contains. The checksum includes the id of the journal, which is random,
//! so that the body of an event cannot imitate a record.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::faults::Faults;
use super::open::open_private;

/// The name of the file in the state folder.
pub(super) const JOURNAL_FILE: &str = "fuse.journal";
/// The smallest amount by which the file grows, in bytes.
const GROWTH: u64 = 1 << 20;
/// The length of the journal from which a checkpoint is due, in bytes.
pub(super) const CHECKPOINT_BYTES: u64 = 8 << 20;
/// The length to which a longer file is cut after a checkpoint, in bytes.
const MAX_KEPT_BYTES: u64 = 2 * CHECKPOINT_BYTES;
/// How much memory is kept for the next record, in bytes.
const MAX_KEPT_BUFFER: usize = 1 << 20;
/// The bytes of a record before its content.
const HEAD: usize = 16;
/// How far ahead the positions of records can be that follow a damaged one.
const MAX_AHEAD: u64 = 1 << 24;

/// The journal of one state folder.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    id: u64,
    /// `None` until the first record is written.
    file: Option<File>,
    /// The length of the file, as far as this process wrote it or found it.
    length: u64,
    /// Where the next record begins.
    end: u64,
    /// The position of the last record.
    position: u64,
    /// The next record: room for its head, and the content that was added so far.
    next: Vec<u8>,
    /// The length of `next` up to which its changes were answered.
    answered: usize,
    faults: Faults,
}

/// A record that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record<'j> {
    pub(super) position: u64,
    pub(super) content: &'j [u8],
}

impl Journal {
    /// The journal in this folder.
    pub(super) fn new(folder: &Path, faults: Faults) -> Self {
        Self {
            path: folder.join(JOURNAL_FILE),
            id: 0,
            file: None,
            length: 0,
            end: 0,
            position: 0,
            next: vec![0; HEAD],
            answered: HEAD,
            faults,
        }
    }

    /// Sets the id of the journal, and the position of the last record that the database has.
    pub(super) fn identify(&mut self, id: u64, position: u64) {
        (self.id, self.position) = (id, position);
    }

    /// The id of the journal.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// The position of the last record.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether the database must be brought to disk soon.
    pub(super) fn is_long(&self) -> bool {
        self.end >= CHECKPOINT_BYTES
    }

    /// The buffer of the next record, to which changes are added.
    pub(super) fn next(&mut self) -> &mut Vec<u8> {
        &mut self.next
    }

    /// The content of the next record so far.
    pub(super) fn unwritten(&self) -> &[u8] {
        self.next.get(HEAD..).unwrap_or_default()
    }

    /// Notes that everything in the next record is about to be answered.
    pub(super) fn keep(&mut self) {
        self.answered = self.next.len();
    }

    /// Removes the changes from the next record that were not answered.
    pub(super) fn forget_unanswered(&mut self) {
        self.next.truncate(self.answered);
    }

    fn clear(&mut self) {
        self.next.truncate(HEAD);
        self.next.shrink_to(MAX_KEPT_BUFFER);
        self.answered = HEAD;
    }

    /// Reads the whole file. The result is empty if the file does not exist.
    pub(super) fn read(&self) -> io::Result<Vec<u8>> {
        self.faults.strike(false)?;
        match std::fs::read(&self.path) {
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read,
        }
    }

    /// The record at the start of `bytes`, if a valid one with this position begins there.
    pub(super) fn record<'j>(&self, bytes: &'j [u8], position: u64) -> Option<Record<'j>> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, e, f, g, h, found @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let content = rest.get(..length)?;
        let is_valid = u64::from_be_bytes(found) == position
            && self.sum(position, content) == u32::from_be_bytes([e, f, g, h]);
        is_valid.then_some(Record { position, content })
    }

    /// The position of the first record in `bytes`, if a record begins there.
    pub(super) fn first_position(&self, bytes: &[u8]) -> Option<u64> {
        let (_, rest) = bytes.split_first_chunk::<8>()?;
        let position = u64::from_be_bytes(*rest.first_chunk::<8>()?);
        self.record(bytes, position).map(|record| record.position)
    }

    /// Whether `bytes` contain a valid record with a higher position than this one, wherever it begins.
    pub(super) fn has_later(&self, bytes: &[u8], position: u64) -> bool {
        let ahead = position.saturating_add(1)..position.saturating_add(MAX_AHEAD);
        (0..bytes.len()).any(|start| {
            let bytes = bytes.get(start..).unwrap_or_default();
            let found = bytes.get(8..HEAD).and_then(|found| found.first_chunk::<8>());
            found.is_some_and(|found| {
                let found = u64::from_be_bytes(*found);
                ahead.contains(&found) && self.record(bytes, found).is_some()
            })
        })
    }

    /// Starts from the beginning of the file again, which is opened again. The database has everything up to this position
    /// on disk.
    pub(super) fn continue_after(&mut self, position: u64) {
        (self.end, self.position, self.file, self.length) = (0, position, None, 0);
        self.clear();
    }

    /// Writes the next record, and returns once it is durable. After an error, it is unknown whether it is.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.unwritten().is_empty() {
            return Ok(());
        }
        let position = self.position.saturating_add(1);
        let length = u32::try_from(self.unwritten().len())
            .map_err(|_| io::Error::other("the changes of one record are over 4 GiB"))?;
        let sum = self.sum(position, self.unwritten());
        if let Some(head) = self.next.first_chunk_mut::<HEAD>() {
            let [a, b, c, d] = length.to_be_bytes();
            let [e, f, g, h] = sum.to_be_bytes();
            let [i, j, k, l, m, n, o, p] = position.to_be_bytes();
            *head = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        }
        let end = self.end.saturating_add(self.next.len() as u64);
        self.grow(end)?;
        let Some(file) = &self.file else { return Err(io::ErrorKind::NotFound.into()) };
        write_at(file, &self.next, self.end)?;
        file.sync_data()?;
        (self.end, self.position) = (end, position);
        self.clear();
        Ok(())
    }

    /// Makes the file at least this long. Zeros are written, because flushing is fastest if the file already has its blocks.
    pub(super) fn grow(&mut self, length: u64) -> io::Result<()> {
        self.faults.strike(true)?;
        let file = match &self.file {
            Some(file) => file,
            None => {
                let file = open_private(&self.path)?;
                // The name of a new file is durable only once its folder is flushed as well.
                #[cfg(unix)]
                if let Some(folder) = self.path.parent() {
                    File::open(folder)?.sync_all()?;
                }
                self.length = file.metadata()?.len();
                self.file.insert(file)
            }
        };
        if length <= self.length {
            return Ok(());
        }
        let length = length.div_ceil(GROWTH).saturating_mul(GROWTH);
        let zeros = vec![0; 64 << 10];
        let mut at = self.length;
        while at < length {
            let part = zeros.len().min(usize::try_from(length - at).unwrap_or(usize::MAX));
            write_at(file, zeros.get(..part).unwrap_or_default(), at)?;
            at = at.saturating_add(part as u64);
        }
        file.sync_all()?;
        self.length = length;
        Ok(())
    }

    /// Starts from the beginning of the file again, after a checkpoint.
    pub(super) fn restart(&mut self) {
        self.end = 0;
        if self.length > MAX_KEPT_BYTES
            && let Some(file) = &self.file
            // If that fails, the file is only longer than necessary.
            && file.set_len(CHECKPOINT_BYTES).is_ok()
        {
            self.length = CHECKPOINT_BYTES;
        }
    }

    /// Empties the file after the last checkpoint, so that the next start has nothing to read.
    pub(super) fn empty(&mut self) {
        if let Some(file) = &self.file
            && self.end == 0
            && let Err(problem) = file.set_len(0)
        {
            tracing::debug!(%problem, "the journal was not emptied");
        }
    }

    fn sum(&self, position: u64, content: &[u8]) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.id.to_be_bytes());
        sum.update(&position.to_be_bytes());
        // Records of different lengths never have the same bytes.
        sum.update(&(content.len() as u64).to_be_bytes());
        sum.update(content);
        sum.finalize()
    }
}

impl Record<'_> {
    /// The length of the record in the file.
    pub(super) fn length(&self) -> usize {
        HEAD.saturating_add(self.content.len())
    }
}

/// The error about a journal that cannot be written.
pub(super) fn unwritable(problem: &io::Error) -> StoreError {
    StoreError::Storage(format!("the journal cannot be written: {problem}"))
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek as _, Write as _};

    file.seek(io::SeekFrom::Start(at))?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn journal(folder: &TempDir) -> Journal {
        let mut journal = Journal::new(folder.path(), Faults::default());
        journal.identify(7, 0);
        journal
    }

    fn write(journal: &mut Journal, content: &[u8]) {
        journal.next().extend_from_slice(content);
        journal.flush().unwrap();
    }

    /// The contents of the records after this position, and whether there are later ones after a gap.
    fn read(journal: &Journal, bytes: &[u8], mut position: u64) -> (Vec<Vec<u8>>, bool) {
        let (mut rest, mut contents) = (bytes, Vec::new());
        while let Some(record) = journal.record(rest, position + 1) {
            contents.push(record.content.to_vec());
            rest = &rest[record.length()..];
            position += 1;
        }
        (contents, journal.has_later(rest, position))
    }

    proptest! {
        #[test]
        fn records_come_back_and_those_of_earlier_rounds_do_not(
            rounds in prop::collection::vec(
                prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..6), 1..4,
            ),
        ) {
            let folder = TempDir::new().unwrap();
            let mut journal = journal(&folder);
            for contents in &rounds {
                let start = journal.position();
                contents.iter().for_each(|content| write(&mut journal, content));
                let bytes = journal.read().unwrap();
                prop_assert_eq!(&read(&journal, &bytes, start), &(contents.clone(), false));
                journal.restart();
                // Everything so far is of an earlier round.
                let position = journal.position();
                prop_assert_eq!(read(&journal, &bytes, position), (Vec::new(), false));
            }
        }

        #[test]
        fn what_is_cut_is_the_end_and_what_is_damaged_is_not(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 1..6),
            at: prop::sample::Index,
            to: u8,
        ) {
            let folder = TempDir::new().unwrap();
            let mut journal = journal(&folder);
            contents.iter().for_each(|content| write(&mut journal, content));
            let bytes = journal.read().unwrap();
            let written = &bytes[..usize::try_from(journal.end).unwrap()];

            let (cut, damaged) = read(&journal, &written[..at.index(written.len())], 0);
            prop_assert!(contents.starts_with(&cut) && cut.len() < contents.len() && !damaged);

            let mut changed = written.to_vec();
            let place = at.index(changed.len());
            prop_assume!(changed[place] != to);
            changed[place] = to;
            let (kept, damaged) = read(&journal, &changed, 0);
            prop_assert!(contents.starts_with(&kept) && kept.len() < contents.len());
            // If the last record is damaged, it may as well be one that was never finished.
            prop_assert_eq!(damaged, kept.len() + 1 < contents.len());
        }
    }

    #[test]
    fn a_journal_of_another_state_has_no_records() {
        let folder = TempDir::new().unwrap();
        let mut first = journal(&folder);
        write(&mut first, b"a");
        let mut other = journal(&folder);
        other.identify(8, 0);
        assert_eq!(read(&other, &other.read().unwrap(), 0), (Vec::new(), false));
    }

    #[test]
    fn what_was_not_flushed_can_be_taken_back() {
        let folder = TempDir::new().unwrap();
        let mut journal = journal(&folder);
        journal.next().extend_from_slice(b"kept");
        journal.keep();
        journal.next().extend_from_slice(b"not");
        let faults = journal.faults.clone();
        faults.full(true);
        assert!(journal.flush().is_err());
        journal.forget_unanswered();
        faults.full(false);
        journal.flush().unwrap();
        let bytes = journal.read().unwrap();
        assert_eq!(read(&journal, &bytes, 0), (vec![b"kept".to_vec()], false));
    }

    #[test]
    fn a_file_that_a_large_record_made_long_becomes_short() {
        let folder = TempDir::new().unwrap();
        let mut journal = journal(&folder);
        let large = vec![1; usize::try_from(MAX_KEPT_BYTES).unwrap()];
        write(&mut journal, &large);
        let length = || std::fs::metadata(folder.path().join(JOURNAL_FILE)).unwrap().len();
        assert!(length() > MAX_KEPT_BYTES && journal.is_long());
        journal.restart();
        assert_eq!(length(), CHECKPOINT_BYTES);
        write(&mut journal, b"small");
        assert_eq!(read(&journal, &journal.read().unwrap(), 1).0, [b"small".to_vec()]);
    }
}
