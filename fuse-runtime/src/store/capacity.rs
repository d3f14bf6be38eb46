//! Whether there is room for further events. The file has a maximum size, and some space of the disk stays
//! free, so that accepted events can still be settled.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a measurement of the disk is valid.
const MEASURE_INTERVAL: Duration = Duration::from_millis(200);
/// The part of the maximum size that events may fill, in percent: decisions and actions need room, too.
const MAX_EVENT_PERCENT: u64 = 90;

/// Limits of the size of the state, on disk and in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeLimits {
    /// The maximum size of `fuse.redb` on disk, in bytes, without the journal. `None` is no limit.
    pub max_size: Option<u64>,
    /// How many bytes of the disk must stay free. 32 MiB by default.
    pub min_free: u64,
    /// The memory for pages of `fuse.redb`, in bytes. 32 MiB by default.
    pub cache: u64,
}

impl Default for SizeLimits {
    fn default() -> Self {
        Self { max_size: None, min_free: 32 << 20, cache: 32 << 20 }
    }
}

/// The capacity of one store.
#[derive(Debug)]
pub(crate) struct Capacity {
    /// The file. `None` in memory, where there is always room.
    file: Option<PathBuf>,
    limits: SizeLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The size of the rows of events in bytes, including the open transaction.
    event_bytes: u64,
    /// Their size at the last commit.
    committed: u64,
    measured_at: Option<Instant>,
    fill: Fill,
}

impl Capacity {
    pub(super) fn new(file: Option<PathBuf>, limits: SizeLimits) -> Self {
        Self { file, limits, state: Mutex::default() }
    }

    /// Why no further event may be accepted while the rows of events have this size.
    pub(crate) fn refusal(&self, event_bytes: u64) -> Option<String> {
        self.note(event_bytes);
        self.current()
    }

    /// Records the size of all events.
    pub(crate) fn note(&self, event_bytes: u64) {
        self.state().event_bytes = event_bytes;
    }

    /// Why no further event can be accepted now.
    pub(crate) fn current(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        let mut state = self.state();
        let state = &mut *state;
        if state.measured_at.is_none_or(|at| at.elapsed() >= MEASURE_INTERVAL) {
            state.measured_at = Some(Instant::now());
            state.fill.measured(measure(file)?, state.committed);
        }
        state.fill.refusal(&self.limits, state.event_bytes)
    }

    /// Why there is no room on the disk for a copy of the file.
    pub(super) fn refuses_copy(&self) -> Option<String> {
        let DiskUsage { used, free } = measure(self.file.as_deref()?)?;
        let needed = used.saturating_add(self.limits.min_free);
        (free < needed).then(|| {
            format!(
                "the disk of the state has {free} bytes free, and a copy may need {needed} with `min_free`"
            )
        })
    }

    /// Records that the file has the rows of events, which have this size.
    pub(super) fn committed(&self, event_bytes: u64) {
        let mut state = self.state();
        (state.event_bytes, state.committed) = (event_bytes, event_bytes);
    }

    /// Measures the disk again at the next call.
    pub(super) fn changed(&self) {
        self.state().measured_at = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A measurement of the disk, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct DiskUsage {
    used: u64,
    free: u64,
}

#[cfg(unix)]
fn measure(file: &Path) -> Option<DiskUsage> {
    use std::os::unix::fs::MetadataExt as _;

    let used = std::fs::metadata(file).ok()?.blocks().saturating_mul(512);
    let disk = rustix::fs::statvfs(file).ok()?;
    Some(DiskUsage { used, free: disk.f_bavail.saturating_mul(disk.f_frsize) })
}

#[cfg(not(unix))]
fn measure(file: &Path) -> Option<DiskUsage> {
    Some(DiskUsage { used: std::fs::metadata(file).ok()?.len(), free: u64::MAX })
}

/// How full the file is. redb reuses freed pages before the file grows, and there is no cheap way to
/// count them. fuse estimates them: the bytes of the events that were deleted since it last grew.
#[derive(Debug, Default)]
struct Fill {
    usage: DiskUsage,
    /// The bytes of the events in the file when it last grew.
    events_when_grown: u64,
}

impl Fill {
    /// Records a measurement of the disk, and the size of the events in the file.
    fn measured(&mut self, usage: DiskUsage, on_disk: u64) {
        if usage.used > self.usage.used || on_disk > self.events_when_grown {
            self.events_when_grown = on_disk;
        }
        self.usage = usage;
    }

    /// Why no event may be added while the events have this size.
    fn refusal(&self, limits: &SizeLimits, event_bytes: u64) -> Option<String> {
        let DiskUsage { used, free } = self.usage;
        let reusable = self.events_when_grown.saturating_sub(event_bytes);
        // The file will grow by about twice what was accepted since the measurement: rows fill only a part of their pages.
        let growth = event_bytes.saturating_sub(self.events_when_grown).saturating_mul(2);
        let filled = used.saturating_add(growth).saturating_sub(reusable);
        let free = free.saturating_sub(growth);
        if let Some(max) = limits.max_size
            && filled.saturating_mul(100) >= max.saturating_mul(MAX_EVENT_PERCENT)
        {
            return Some(format!(
                "the state takes up {filled} bytes, and `max_size` is {max}: nothing more is accepted until events are older than `keep` or `max_size` is larger"
            ));
        }
        // Free pages of the file need no space of the disk.
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

    const MAX: SizeLimits = SizeLimits { max_size: Some(1000), min_free: 100, cache: 0 };

    #[test]
    fn the_file_is_full_before_its_largest_size() {
        let mut fill = Fill::default();
        let mut at = |used, event_bytes| {
            fill.measured(DiskUsage { used, free: 500 }, event_bytes);
            fill.refusal(&MAX, event_bytes)
        };
        assert_eq!(at(500, 300), None);
        let why = at(900, 600).unwrap();
        assert!(why.starts_with("the state takes up 900 bytes, and `max_size` is 1000"), "{why}");
        // Pruned events leave free pages in the file, whose size stays.
        assert_eq!(at(900, 200), None);
        assert!(at(900, 600).is_some());
        assert_eq!(at(300, 200), None, "it was compacted");
    }

    #[test]
    fn some_of_the_disk_stays_free() {
        let mut fill = Fill::default();
        let mut at = |free, event_bytes| {
            fill.measured(DiskUsage { used: 9000, free }, event_bytes);
            fill.refusal(&SizeLimits { max_size: None, ..MAX }, event_bytes)
        };
        assert_eq!(at(100, 8000), None);
        assert!(at(99, 8000).unwrap().contains("99 bytes free"));
        assert_eq!(at(99, 7000), None, "there is room inside the file");
    }

    #[test]
    fn events_accepted_since_the_last_measurement_count() {
        let mut fill = Fill::default();
        fill.measured(DiskUsage { used: 500, free: 500 }, 300);
        assert_eq!(fill.refusal(&MAX, 499), None);
        assert!(fill.refusal(&MAX, 500).unwrap().starts_with("the state takes up 900 bytes"));
        let unlimited = SizeLimits { max_size: None, ..MAX };
        assert_eq!(fill.refusal(&unlimited, 500), None);
        assert!(fill.refusal(&unlimited, 501).unwrap().contains("98 bytes free"));
    }
}
