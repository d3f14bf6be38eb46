//! Notices changed files by looking at them.
//!
//! fuse compares names, sizes, times and inodes instead of asking the kernel for notifications. That works alike for
//! ConfigMaps, whose files are links to a folder that Kubernetes swaps, for editors that rename, and for network
//! file systems.

use std::time::Duration;

use crate::files::FileStamps;

/// How often the files are looked at. A change takes effect after two equal looks, so that a file is not read while
/// it is written.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a look is at least this many times as long as the look.
const PAUSE_FACTOR: u32 = 20;

/// Waits until files differ from what they were, and have stopped changing. Returns what they are then.
pub(super) async fn changed_files(known: &FileStamps) -> FileStamps {
    let mut last = known.clone();
    loop {
        let started = tokio::time::Instant::now();
        let looking = last.clone();
        let now = tokio::task::spawn_blocking(move || looking.look_again()).await;
        let took = started.elapsed();
        if let Ok(now) = now {
            if now != *known && now == last {
                return now;
            }
            last = now;
        }
        tokio::time::sleep(LOOK_EVERY.max(took.saturating_mul(PAUSE_FACTOR))).await;
    }
}
