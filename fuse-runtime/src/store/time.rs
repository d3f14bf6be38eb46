//! The last reading of the clocks, which is recorded once per second in which something is committed.

use std::time::Duration;

use jiff::Timestamp;
use redb::{ReadTransaction, ReadableTable as _, WriteTransaction};

use super::{Core, META, SEEN, Store, StoreError, lock};
use crate::clock::{Clock, Reading};

impl Store {
    /// Returns the clock whose steady time continues from the last reading on record, and records its
    /// readings from now on.
    pub(crate) async fn resume_clock(&self, clock: &Clock) -> Result<Clock, StoreError> {
        let clock = match self.read(last_reading).await? {
            Some(last) => {
                let (clock, jump) = clock.resumed(last);
                if let Some(jump) = jump {
                    tracing::warn!(
                        ?jump,
                        last_seen = %last.wall,
                        "the time of day jumped since the last run; waiting times and the windows of flow control continue from the last run"
                    );
                }
                clock
            }
            None => clock.clone(),
        };
        *lock(&self.inner.core.clock) = Some(clock.clone());
        Ok(clock)
    }

    /// The steady time, by which the age of records is measured.
    pub(crate) fn steady(&self) -> Option<Timestamp> {
        Some(lock(&self.inner.core.clock).as_ref()?.steady())
    }
}

impl Core {
    /// Records the time, if the last record is of an earlier second.
    pub(super) fn record_time(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let Some(reading) = lock(&self.clock).as_ref().map(Clock::reading) else { return Ok(()) };
        let mut meta = transaction.open_table(META)?;
        let rows = rows(&reading);
        let [_, steady, ..] = SEEN;
        let [_, now, ..] = rows;
        if meta.get(steady)?.is_some_and(|last| last.value() / 1000 == now / 1000) {
            return Ok(());
        }
        for (name, value) in SEEN.into_iter().zip(rows) {
            meta.insert(name, value)?;
        }
        Ok(())
    }
}

fn rows(reading: &Reading) -> [u64; 4] {
    let millis = |at: Timestamp| u64::try_from(at.as_millisecond()).unwrap_or_default();
    let up = u64::try_from(reading.up.as_millis()).unwrap_or(u64::MAX);
    [millis(reading.wall), millis(reading.steady), reading.boot, up]
}

fn last_reading(transaction: &ReadTransaction) -> Result<Option<Reading>, StoreError> {
    let meta = transaction.open_table(META)?;
    let mut rows = [0; 4];
    for (row, name) in rows.iter_mut().zip(SEEN) {
        match meta.get(name)? {
            Some(value) => *row = value.value(),
            None => return Ok(None),
        }
    }
    let [wall, steady, boot, up] = rows;
    let at = |millis: u64| Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok();
    let (Some(wall), Some(steady)) = (at(wall), at(steady)) else { return Ok(None) };
    Ok(Some(Reading { wall, steady, boot, up: Duration::from_millis(up) }))
}
