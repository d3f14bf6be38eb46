//! How much room there is for further events: the file has a largest size, and the disk keeps some
//! space free, so that what was accepted can still be settled.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a look at the disk holds.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The part of the largest size that events may fill, in percent: what becomes of them needs room too.
const FOR_EVENTS: u64 = 90;

/// The limits of the state's size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// The most that the state's file may take up on disk, in bytes; no limit where it is `None`.
    pub max_size: Option<u64>,
    /// How many bytes of the disk stay free: 32 MiB.
    pub min_free: u64,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self { max_size: None, min_free: 32 << 20 }
    }
}

/// The room of one store.
#[derive(Debug)]
pub(crate) struct Room {
    /// The file; `None` in memory, where there is always room.
    file: Option<PathBuf>,
    limits: SizeLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many bytes the rows of events have, with those of the transaction that is open.
    event_bytes: u64,
    /// How many they had at the last commit.
    committed: u64,
    looked: Option<Instant>,
    fill: Fill,
}

impl Room {
    pub(super) fn new(file: Option<PathBuf>, limits: SizeLimits) -> Self {
        Self { file, limits, state: Mutex::default() }
    }

    /// Why no further event may be accepted, where the rows of events have so many bytes.
    pub(crate) fn refusal(&self, event_bytes: u64) -> Option<String> {
        self.state().event_bytes = event_bytes;
        self.current()
    }

    /// Why no further event could be accepted now.
    pub(crate) fn current(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        let mut state = self.state();
        let state = &mut *state;
        if state.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            state.looked = Some(Instant::now());
            state.fill.seen(look(file)?, state.committed);
        }
        state.fill.refusal(&self.limits, state.event_bytes)
    }

    /// All rows of events so far are in the file.
    pub(super) fn committed(&self) {
        let mut state = self.state();
        state.committed = state.event_bytes;
    }

    /// Looks again at the next question.
    pub(super) fn changed(&self) {
        self.state().looked = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look at the disk shows, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    used: u64,
    free: u64,
}

#[cfg(unix)]
fn look(file: &Path) -> Option<Seen> {
    use std::os::unix::fs::MetadataExt as _;

    let used = std::fs::metadata(file).ok()?.blocks().saturating_mul(512);
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(Seen { used, free: disk.f_bavail.saturating_mul(disk.f_frsize) })
}

#[cfg(not(unix))]
fn look(file: &Path) -> Option<Seen> {
    Some(Seen { used: std::fs::metadata(file).ok()?.len(), free: u64::MAX })
}

/// How full the file is. redb reuses freed pages before the file grows, and there is no cheap way to
/// count them. fuse estimates them: the bytes of the events that were deleted since it last grew.
#[derive(Debug, Default)]
struct Fill {
    seen: Seen,
    /// The bytes of the events in the file when it last grew.
    events_when_grown: u64,
}

impl Fill {
    /// Records a look at the disk, and how many bytes the events in the file have.
    fn seen(&mut self, seen: Seen, on_disk: u64) {
        if seen.used > self.seen.used || on_disk > self.events_when_grown {
            self.events_when_grown = on_disk;
        }
        self.seen = seen;
    }

    /// Why no event may be added to those, which have so many bytes.
    fn refusal(&self, limits: &SizeLimits, event_bytes: u64) -> Option<String> {
        let Seen { used, free } = self.seen;
        let reusable = self.events_when_grown.saturating_sub(event_bytes);
        // Accepted since the look, so the file will grow by it.
        let growth = event_bytes.saturating_sub(self.events_when_grown);
        let filled = used.saturating_add(growth).saturating_sub(reusable);
        let free = free.saturating_sub(growth);
        if let Some(max) = limits.max_size
            && filled.saturating_mul(100) >= max.saturating_mul(FOR_EVENTS)
        {
            return Some(format!(
                "the state takes up {filled} bytes, and `max_size` is {max}: nothing more is accepted until events are older than `keep` or `max_size` is larger"
            ));
        }
        // Room inside the file needs none of the disk.
        if free < limits.min_free && reusable < limits.min_free {
            return Some(format!(
                "the disk of the state has {free} bytes free, and `min_free` is {}: nothing more is accepted until there is more room",
                limits.min_free
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: SizeLimits = SizeLimits { max_size: Some(1000), min_free: 100 };

    #[test]
    fn the_file_is_full_before_its_largest_size() {
        let mut fill = Fill::default();
        let mut at = |used, event_bytes| {
            fill.seen(Seen { used, free: 500 }, event_bytes);
            fill.refusal(&MAX, event_bytes)
        };
        assert_eq!(at(500, 300), None);
        let why = at(900, 600).unwrap();
        assert!(why.starts_with("the state takes up 900 bytes, and `max_size` is 1000"), "{why}");
        // Forgotten events leave room inside the file, which is not smaller for it.
        assert_eq!(at(900, 200), None);
        assert!(at(900, 600).is_some());
        assert_eq!(at(300, 200), None, "it was compacted");
    }

    #[test]
    fn some_of_the_disk_stays_free() {
        let mut fill = Fill::default();
        let mut at = |free, event_bytes| {
            fill.seen(Seen { used: 9000, free }, event_bytes);
            fill.refusal(&SizeLimits { max_size: None, ..MAX }, event_bytes)
        };
        assert_eq!(at(100, 8000), None);
        assert!(at(99, 8000).unwrap().contains("99 bytes free"));
        assert_eq!(at(99, 7000), None, "there is room inside the file");
    }

    #[test]
    fn what_was_accepted_since_the_last_look_counts() {
        let mut fill = Fill::default();
        fill.seen(Seen { used: 500, free: 500 }, 300);
        assert_eq!(fill.refusal(&MAX, 600), None);
        assert!(fill.refusal(&MAX, 700).unwrap().starts_with("the state takes up 900 bytes"));
        let unlimited = SizeLimits { max_size: None, ..MAX };
        assert_eq!(fill.refusal(&unlimited, 700), None);
        assert!(fill.refusal(&unlimited, 701).unwrap().contains("99 bytes free"));
    }
}
