//! The runtime's clocks, which tests set.
//!
//! The **time of day** is for people and rules. It jumps when somebody sets the clock. The **steady time** measures
//! durations. It never jumps, neither while the process runs nor across a restart. Windows of `once`, ages of held
//! actions and due times use it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A smaller jump is a normal correction of a synchronized clock.
const MIN_REPORTED_JUMP: Duration = Duration::from_secs(60);
/// The longest gap that counts as elapsed after a restart of the machine, when only the time of day shows how long
/// the gap was.
const MAX_UNKNOWN_GAP: Duration = Duration::from_secs(3600);

type Source = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The time of day and the steady time. Clones show the same times.
#[derive(Clone)]
pub struct Clock {
    wall: Source,
    steady: Source,
}

impl Clock {
    /// The machine's clock. The steady time starts as the time of day.
    pub fn system() -> Self {
        Self { wall: Arc::new(Timestamp::now), steady: steady_from(Timestamp::now()) }
    }

    /// A clock for tests: both times are those of `now`.
    ///
    /// ```
    /// use fuse_runtime::clock::Clock;
    /// use jiff::Timestamp;
    ///
    /// let clock = Clock::manual(|| Timestamp::UNIX_EPOCH);
    /// assert_eq!(clock.now(), clock.steady());
    /// ```
    pub fn manual(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let now: Source = Arc::new(now);
        Self { wall: Arc::clone(&now), steady: now }
    }

    /// The machine's clock with another time of day, to test what happens when somebody sets it.
    pub fn with_wall(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let steady = steady_from(wall());
        Self { wall: Arc::new(wall), steady }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// The steady time, which never jumps. It equals the time of day unless that has jumped.
    pub fn steady(&self) -> Timestamp {
        (self.steady)()
    }

    /// The steady time that is as long ago as a time of day.
    ///
    /// ```
    /// use fuse_runtime::clock::Clock;
    /// use jiff::{Timestamp, ToSpan as _};
    ///
    /// let clock = Clock::manual(|| Timestamp::UNIX_EPOCH);
    /// let earlier = clock.now() - 1.hour();
    /// assert_eq!(clock.steady_at(earlier), clock.steady() - 1.hour());
    /// ```
    pub fn steady_at(&self, wall: Timestamp) -> Timestamp {
        let ago = self.now().duration_since(wall);
        self.steady().checked_sub(ago).unwrap_or(wall)
    }

    /// How long ago a steady time was; zero for one in the future.
    pub fn age(&self, of: Timestamp) -> Duration {
        self.steady().duration_since(of).try_into().unwrap_or_default()
    }

    /// The times to record, from which the clock resumes after a restart.
    pub(crate) fn reading(&self) -> Reading {
        let (boot, up) = since_boot();
        Reading { wall: self.now(), steady: self.steady(), boot, up }
    }

    /// The clock, resumed from the last recorded reading, and how far the time of day has jumped since, if it
    /// has.
    pub(crate) fn resumed(&self, last: Reading) -> (Self, Option<Jump>) {
        let now = self.reading();
        let (steady, jump) = resume(&last, &now);
        // Tests set both times, which stay as they are.
        if Arc::ptr_eq(&self.wall, &self.steady) {
            return (self.clone(), jump);
        }
        (Self { wall: Arc::clone(&self.wall), steady: steady_from(steady) }, jump)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

/// The steady time from `start` on.
fn steady_from(start: Timestamp) -> Source {
    let began = Instant::now();
    Arc::new(move || start.checked_add(began.elapsed()).unwrap_or(Timestamp::MAX))
}

/// The times of all clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) wall: Timestamp,
    pub(crate) steady: Timestamp,
    /// The id of the machine's boot; 0 if the system does not provide one.
    pub(crate) boot: u64,
    /// The machine's uptime.
    pub(crate) up: Duration,
}

/// A jump of the time of day while fuse did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jump {
    /// Forward, by the machine's uptime.
    Ahead(Duration),
    /// Backward.
    Back(Duration),
    /// The time of day moved forward by this much across a restart of the machine, so that it is unknown whether
    /// the time really passed.
    Unknown(Duration),
}

/// The steady time of the reading `now`, resumed from the reading `last` of an earlier process.
fn resume(last: &Reading, now: &Reading) -> (Timestamp, Option<Jump>) {
    let passed: Result<Duration, _> = now.wall.duration_since(last.wall).try_into();
    let same_boot = last.boot != 0 && last.boot == now.boot && now.up >= last.up;
    let (elapsed, jump) = if same_boot {
        let elapsed = now.up.saturating_sub(last.up);
        let jump = match passed {
            Ok(passed) if passed > elapsed => Jump::Ahead(passed.saturating_sub(elapsed)),
            Ok(passed) => Jump::Back(elapsed.saturating_sub(passed)),
            Err(_) => Jump::Back(back(last, now).saturating_add(elapsed)),
        };
        (elapsed, jump)
    } else {
        match passed {
            Ok(passed) => (passed.min(MAX_UNKNOWN_GAP), Jump::Unknown(passed)),
            Err(_) => (Duration::ZERO, Jump::Back(back(last, now))),
        }
    };
    let jump = match jump {
        Jump::Ahead(by) | Jump::Back(by) if by <= MIN_REPORTED_JUMP => None,
        Jump::Unknown(gap) if gap <= MAX_UNKNOWN_GAP => None,
        jump => Some(jump),
    };
    (last.steady.checked_add(elapsed).unwrap_or(Timestamp::MAX), jump)
}

fn back(last: &Reading, now: &Reading) -> Duration {
    last.wall.duration_since(now.wall).try_into().unwrap_or_default()
}

/// The id of the machine's boot, and the time since.
#[cfg(target_os = "linux")]
fn since_boot() -> (u64, Duration) {
    use std::sync::OnceLock;

    use rustix::time::{ClockId, clock_gettime};

    static BOOT: OnceLock<u64> = OnceLock::new();
    let boot = *BOOT.get_or_init(|| {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or_default()
    });
    let up = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(up.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(up.tv_nsec).unwrap_or_default();
    (boot, Duration::new(seconds, nanoseconds))
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> (u64, Duration) {
    (0, Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 24 * 3600;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_785_578_400 + seconds).unwrap()
    }

    fn reading(wall: i64, steady: i64, boot: u64, up: u64) -> Reading {
        Reading { wall: at(wall), steady: at(steady), boot, up: Duration::from_secs(up) }
    }

    #[test]
    fn the_uptime_tells_a_jump_from_a_pause() {
        let last = reading(0, 0, 7, 1000);
        let day = Duration::from_secs(DAY.unsigned_abs());
        let resumed = |wall, boot, up| resume(&last, &reading(wall, wall, boot, up));
        // A pause of a day, and a jump of one.
        assert_eq!(resumed(DAY, 7, 1000 + DAY.unsigned_abs()), (at(DAY), None));
        assert_eq!(resumed(DAY + 10, 7, 1010), (at(10), Some(Jump::Ahead(day))));
        assert_eq!(resumed(10 - DAY, 7, 1010), (at(10), Some(Jump::Back(day))));
        // After a restart of the machine, only the time of day says how long it was.
        assert_eq!(resumed(1800, 8, 5), (at(1800), None));
        assert_eq!(resumed(DAY, 8, 5), (at(3600), Some(Jump::Unknown(day))));
        assert_eq!(resumed(-DAY, 8, 5), (at(0), Some(Jump::Back(day))));
        // Corrections that every clock makes are not worth a word.
        assert_eq!(resumed(30, 7, 1010), (at(10), None));
    }

    proptest! {
        /// Whatever the clocks show, the steady time never goes back, and never passes faster than
        /// both the time of day and the machine's uptime say.
        #[test]
        fn the_steady_time_never_jumps(
            wall in -10 * DAY..10 * DAY, skew in -DAY..DAY, boot in 1_u64..3, up in 0_u64..100_000,
        ) {
            let last = reading(0, skew, 1, 50_000);
            let (steady, _) = resume(&last, &reading(wall, wall, boot, up));
            prop_assert!(steady >= last.steady);
            let passed = steady.duration_since(last.steady).as_secs();
            let by_uptime = i64::try_from(up).unwrap() - 50_000;
            prop_assert!(passed <= wall.max(0) || passed <= by_uptime);
        }
    }
}
