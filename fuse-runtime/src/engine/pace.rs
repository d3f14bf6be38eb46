//! Decides whether to evaluate an event on the current thread.
//!
//! An expensive event must not delay others, nor the admin port, so it is decided on a blocking thread. For a small event,
//! switching to one and back costs several times as much as deciding it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::event::Envelope;

/// The largest body that is decided on the current thread, in bytes.
const MAX_BYTES: usize = 32 << 10;
/// The longest time that a fast decision takes.
const MAX_TIME: Duration = Duration::from_micros(500);
/// How much a slow decision adds to the score. A fast one subtracts 1, because on a busy machine a few decisions are
/// interrupted.
const SLOW: u32 = 10;
/// The score at which fuse switches to blocking threads.
const MAX_SCORE: u32 = 50;
/// For how many events it does so.
const SLOW_FOR: u32 = 1_000;

/// How fast recent decisions were.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    score: AtomicU32,
    /// How many further events are decided on blocking threads.
    slow: AtomicU32,
}

impl Pace {
    /// Whether to decide this event on the current thread.
    pub(crate) fn is_fast(&self, event: &Envelope) -> bool {
        let one_less = |slow: u32| slow.checked_sub(1);
        let was_slow = self.slow.load(Ordering::Relaxed) > 0
            && self.slow.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        !was_slow && event.body.len() <= MAX_BYTES
    }

    /// Records how long it took to decide an event on the current thread.
    pub(crate) fn note(&self, took: Duration) {
        let score = self.score.load(Ordering::Relaxed);
        // Events that are decided at the same time may overwrite each other's score, which only makes it less exact.
        let score = match took > MAX_TIME {
            true => score.saturating_add(SLOW),
            false => score.saturating_sub(1),
        };
        let is_slow = score >= MAX_SCORE;
        self.score.store(if is_slow { 0 } else { score }, Ordering::Relaxed);
        if is_slow {
            self.slow.store(SLOW_FOR, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(bytes: usize) -> Envelope {
        Envelope::new("s", "e", "1", Timestamp::UNIX_EPOCH, vec![b' '; bytes])
    }

    #[test]
    fn large_events_and_those_after_slow_ones_leave_the_thread() {
        let pace = Pace::default();
        let slow = MAX_TIME + Duration::from_nanos(1);
        assert!(pace.is_fast(&event(MAX_BYTES)) && !pace.is_fast(&event(MAX_BYTES + 1)));
        // One in twenty is not fast, for whatever reason.
        for number in 0..1_000 {
            pace.note(if number % 20 == 0 { slow } else { MAX_TIME });
            assert!(pace.is_fast(&event(1)));
        }
        (0..MAX_SCORE / SLOW).for_each(|_| pace.note(slow));
        assert!((0..SLOW_FOR).all(|_| !pace.is_fast(&event(1))));
        assert!(pace.is_fast(&event(1)));
    }
}
