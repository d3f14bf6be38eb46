//! Limits how many requests are in progress, and how many of their bytes are in memory. No I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Limits;

/// How many bytes of each request come from the reserve.
pub(super) const RESERVED_BYTES: usize = 32 << 10;

/// One budget for the requests of all ports.
///
/// A quarter of it is a reserve for the first 32 KiB of each request, so that small requests pass while large
/// ones use up the rest. Further concurrent requests of one HTTP/2 connection do not use the reserve, and may be
/// at most three quarters of all requests. Bytes count when they arrive, not when a sender announces them. If
/// there is no room, the oldest request whose body is still arriving is aborted, provided that it is old enough.
/// Its bytes count as free at once, since its task drops them when it wakes.
#[derive(Debug)]
pub(super) struct Budget {
    limits: BudgetLimits,
    reserve: usize,
    common: usize,
    next: u64,
    /// How many requests are not aborted.
    in_work: usize,
    /// By age: ids are ascending.
    requests: BTreeMap<u64, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct BudgetLimits {
    requests: usize,
    further_requests: usize,
    reserve: usize,
    common: usize,
    patience: Duration,
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    /// Whether its connection had another request.
    is_further: bool,
    reserve: usize,
    common: usize,
    /// Whether all of the request has arrived.
    is_complete: bool,
    is_given_up: bool,
    given_up: Arc<Notify>,
}

impl Entry {
    /// Its bytes of the reserve and of the common part, which it no longer has.
    fn take_bytes(&mut self) -> (usize, usize) {
        (std::mem::take(&mut self.reserve), std::mem::take(&mut self.common))
    }
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// The budget is used up.
    Full,
    /// This request was aborted to make room for others.
    GivenUp,
}

/// The resource that is exhausted.
#[derive(Clone, Copy)]
enum Short {
    Requests,
    Reserve,
    Common,
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let reserve = limits.max_buffered / 4;
        Self {
            limits: BudgetLimits {
                requests: limits.max_requests,
                further_requests: limits.max_requests - limits.max_requests / 4,
                reserve,
                common: limits.max_buffered - reserve,
                patience: limits.body_patience,
            },
            reserve: 0,
            common: 0,
            next: 0,
            in_work: 0,
            requests: BTreeMap::new(),
        }
    }

    /// Bytes in memory.
    pub(super) fn used(&self) -> usize {
        self.reserve.saturating_add(self.common)
    }

    /// A request begins: the only one of its connection, or a further one. Returns its id, and the signal that it
    /// is aborted.
    pub(super) fn begin(
        &mut self,
        is_further: bool,
        now: Instant,
    ) -> Result<(u64, Arc<Notify>), NoRoom> {
        let most = if is_further { self.limits.further_requests } else { self.limits.requests };
        if self.in_work >= most && !self.give_up(Short::Requests, u64::MAX, now) {
            return Err(NoRoom::Full);
        }
        self.in_work = self.in_work.saturating_add(1);
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let given_up = Arc::new(Notify::new());
        let entry = Entry {
            since: now,
            is_further,
            reserve: 0,
            common: 0,
            is_complete: false,
            is_given_up: false,
            given_up: Arc::clone(&given_up),
        };
        self.requests.insert(id, entry);
        Ok((id, given_up))
    }

    /// Reserves bytes for a request.
    pub(super) fn take(&mut self, id: u64, bytes: usize, now: Instant) -> Result<(), NoRoom> {
        let entry = self.requests.get(&id).ok_or(NoRoom::GivenUp)?;
        if entry.is_given_up {
            return Err(NoRoom::GivenUp);
        }
        let taken = entry.reserve.saturating_add(entry.common);
        let small =
            if entry.is_further { 0 } else { RESERVED_BYTES.saturating_sub(taken).min(bytes) };
        while self.reserve.saturating_add(small) > self.limits.reserve {
            if !self.give_up(Short::Reserve, id, now) {
                break;
            }
        }
        let in_reserve = small.min(self.limits.reserve.saturating_sub(self.reserve));
        // When the reserve is used up, small requests compete with the others.
        let in_common = bytes.saturating_sub(in_reserve);
        while self.common.saturating_add(in_common) > self.limits.common {
            if in_common > self.limits.common || !self.give_up(Short::Common, id, now) {
                return Err(NoRoom::Full);
            }
        }
        let entry = self.requests.get_mut(&id).ok_or(NoRoom::GivenUp)?;
        entry.reserve = entry.reserve.saturating_add(in_reserve);
        entry.common = entry.common.saturating_add(in_common);
        self.reserve = self.reserve.saturating_add(in_reserve);
        self.common = self.common.saturating_add(in_common);
        Ok(())
    }

    /// The whole request has arrived: it can no longer be aborted. `false` if it was aborted before.
    pub(super) fn complete(&mut self, id: u64) -> bool {
        let entry = self.requests.get_mut(&id).filter(|entry| !entry.is_given_up);
        entry.map(|entry| entry.is_complete = true).is_some()
    }

    /// The request is answered or gone. Its bytes are free.
    pub(super) fn end(&mut self, id: u64) {
        if let Some(entry) = self.requests.remove(&id) {
            self.free((entry.reserve, entry.common));
            if !entry.is_given_up {
                self.in_work = self.in_work.saturating_sub(1);
            }
        }
    }

    /// The request continues, but its bytes are no longer in memory.
    pub(super) fn release(&mut self, id: u64) {
        if let Some(entry) = self.requests.get_mut(&id) {
            let bytes = entry.take_bytes();
            self.free(bytes);
        }
    }

    fn free(&mut self, (reserve, common): (usize, usize)) {
        self.reserve = self.reserve.saturating_sub(reserve);
        self.common = self.common.saturating_sub(common);
    }

    /// Aborts the oldest incomplete request that uses the exhausted resource, if it is old enough.
    fn give_up(&mut self, short: Short, asking: u64, now: Instant) -> bool {
        let has = |entry: &Entry| match short {
            Short::Requests => true,
            Short::Reserve => entry.reserve > 0,
            Short::Common => entry.common > 0,
        };
        let oldest = self.requests.iter_mut().find(|(id, entry)| {
            **id != asking && !entry.is_complete && !entry.is_given_up && has(entry)
        });
        let Some((_, entry)) = oldest else { return false };
        if now.saturating_duration_since(entry.since) < self.limits.patience {
            return false;
        }
        entry.is_given_up = true;
        entry.given_up.notify_one();
        let bytes = entry.take_bytes();
        self.free(bytes);
        self.in_work = self.in_work.saturating_sub(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: usize = 1 << 20;

    fn budget(requests: usize) -> Budget {
        let limits = Limits { max_requests: requests, max_buffered: 4 * MIB, ..Limits::default() };
        Budget::new(&limits)
    }

    #[test]
    fn large_requests_leave_the_reserve_to_small_ones() {
        let (mut budget, now) = (budget(100), Instant::now());
        let large: Vec<u64> = (0..3).map(|_| budget.begin(false, now).unwrap().0).collect();
        for id in &large {
            budget.take(*id, MIB, now).unwrap();
        }
        // 3 MiB less three times 32 KiB are in the common part.
        assert_eq!(budget.take(large[0], 97 << 10, now), Err(NoRoom::Full));
        // A request that only waits for its answer needs no bytes.
        budget.release(large[2]);
        budget.take(large[0], MIB / 2, now).unwrap();
        budget.take(large[2], MIB / 2, now).unwrap();
        for _ in 0..20 {
            let (small, _) = budget.begin(false, now).unwrap();
            budget.take(small, 20 << 10, now).unwrap();
        }
        budget.end(large[1]);
        budget.take(large[0], MIB / 2, now).unwrap();
    }

    #[test]
    fn the_oldest_incomplete_request_makes_room_once_it_is_old_enough() {
        let (mut budget, start) = (budget(100), Instant::now());
        let (done, _) = budget.begin(false, start).unwrap();
        let (slow, _) = budget.begin(false, start).unwrap();
        let (new, _) = budget.begin(false, start).unwrap();
        budget.take(done, MIB, start).unwrap();
        assert!(budget.complete(done));
        budget.take(slow, 2 * MIB, start).unwrap();
        assert_eq!(budget.take(new, MIB, start), Err(NoRoom::Full));
        let later = start + Duration::from_secs(2);
        budget.take(new, MIB, later).unwrap();
        assert_eq!(budget.take(slow, 1, later), Err(NoRoom::GivenUp));
        assert!(!budget.complete(slow));
        // What is complete stays, however old it is.
        let (other, _) = budget.begin(false, later).unwrap();
        assert!(budget.complete(new));
        assert_eq!(budget.take(other, 3 * MIB, later), Err(NoRoom::Full));
        for id in [done, slow, new, other] {
            budget.end(id);
        }
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn requests_are_counted() {
        let (mut budget, start) = (budget(2), Instant::now());
        let (first, given_up) = budget.begin(false, start).unwrap();
        let (second, _) = budget.begin(false, start).unwrap();
        assert_eq!(budget.begin(false, start).unwrap_err(), NoRoom::Full);
        assert!(budget.complete(second));
        budget.begin(false, start + Duration::from_secs(2)).unwrap();
        assert_eq!(budget.take(first, 1, start), Err(NoRoom::GivenUp));
        drop(given_up);
    }

    #[test]
    fn further_requests_of_a_connection_leave_room_for_others() {
        let (mut budget, now) = (budget(8), Instant::now());
        for _ in 0..6 {
            let (id, _) = budget.begin(true, now).unwrap();
            budget.take(id, MIB / 2, now).unwrap();
        }
        assert_eq!(budget.begin(true, now).unwrap_err(), NoRoom::Full);
        let (only, _) = budget.begin(false, now).unwrap();
        budget.take(only, RESERVED_BYTES, now).unwrap();
    }

    #[test]
    fn what_can_never_fit_gives_up_nobody() {
        let (mut budget, start) = (budget(9), Instant::now());
        let (slow, _) = budget.begin(false, start).unwrap();
        budget.take(slow, MIB, start).unwrap();
        let later = start + Duration::from_secs(9);
        let (huge, _) = budget.begin(false, later).unwrap();
        assert_eq!(budget.take(huge, 5 * MIB, later), Err(NoRoom::Full));
        assert_eq!(budget.take(slow, 1, later), Ok(()));
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_all_is_given_back(
            steps in proptest::collection::vec((0..5_u8, 0..8_usize, 0..MIB, 0..900_u64), 1..200),
        ) {
            let mut budget = budget(6);
            let mut now = Instant::now();
            let mut open: Vec<u64> = Vec::new();
            for (what, which, bytes, millis) in steps {
                now += Duration::from_millis(millis);
                let id = open.get(which % open.len().max(1)).copied();
                match (what, id) {
                    (0, _) | (_, None) => open.extend(budget.begin(false, now).ok().map(|(id, _)| id)),
                    (1, Some(id)) => drop(budget.take(id, bytes, now)),
                    (2, Some(id)) => drop(budget.complete(id)),
                    (3, Some(id)) => budget.release(id),
                    (_, Some(id)) => {
                        budget.end(id);
                        open.retain(|other| *other != id);
                    }
                }
                prop_assert!(budget.used() <= 4 * MIB);
                prop_assert!(
                    budget.requests.values().filter(|entry| !entry.is_given_up).count() <= 6
                );
            }
            for id in open {
                budget.end(id);
            }
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
