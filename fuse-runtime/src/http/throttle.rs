//! Log lines that somebody else causes, at a bounded rate.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often one line is logged.
const EVERY: Duration = Duration::from_secs(10);

/// Allows one log line per 10 s, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    state: Mutex<(Option<Instant>, u64)>,
}

impl Throttle {
    /// How many occurrences the line stands for, where it is to be logged now.
    pub(crate) fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, count) = *state;
        let count = count.saturating_add(1);
        if last.is_some_and(|last| now.saturating_duration_since(last) < EVERY) {
            *state = (last, count);
            return None;
        }
        *state = (Some(now), 0);
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_with_a_count() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.count(start), Some(1));
        assert_eq!(throttle.count(start + Duration::from_secs(1)), None);
        assert_eq!(throttle.count(start + Duration::from_secs(9)), None);
        assert_eq!(throttle.count(start + Duration::from_secs(11)), Some(3));
        assert_eq!(throttle.count(start + Duration::from_secs(12)), None);
    }
}
