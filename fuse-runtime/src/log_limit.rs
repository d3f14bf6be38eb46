//! Limits the rate of log lines: an error that happens a thousand times per second is logged once every ten
//! seconds, with the count.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines of one kind.
const MIN_INTERVAL: Duration = Duration::from_secs(10);

/// The limit of one kind of line. It can be a `static`.
#[derive(Debug)]
pub(crate) struct LogLimit {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self { state: Mutex::new(State { last: None, left_out: 0 }) }
    }

    /// `Some` if a line may be written now, with the number of lines that were omitted since the last one.
    pub(crate) fn pass(&self) -> Option<u64> {
        self.pass_at(Instant::now())
    }

    fn pass_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_duration_since(last) < MIN_INTERVAL) {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        let limit = LogLimit::new();
        let start = Instant::now();
        assert_eq!(limit.pass_at(start), Some(0));
        assert_eq!(limit.pass_at(start + MIN_INTERVAL / 2), None);
        assert_eq!(limit.pass_at(start + MIN_INTERVAL / 2), None);
        assert_eq!(limit.pass_at(start + MIN_INTERVAL), Some(2));
        assert_eq!(limit.pass_at(start + 2 * MIN_INTERVAL), Some(0));
    }
}
