//! The memory for evaluation, which is reused for the next event.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, TryLockError};

use crate::plan::Memory;
use crate::scan::Extract;

/// The event, the `each` of a sensor, the `each` of a rule, and some quantifiers.
pub(super) const MAX_LEVELS: usize = 6;

/// The memory for evaluation, reused for the next event.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) extract: Extract,
    /// The truths of parts that several rules share, each with the number of its frame:
    /// `number << 2 | truth`.
    pub(super) truths: Vec<u32>,
    /// The number of frames so far.
    pub(super) frames: u32,
    /// The candidates of the current site.
    pub(super) found: Vec<u32>,
    /// The candidates that outer frames find, by site and level.
    pub(super) around: Vec<[Around; MAX_LEVELS]>,
    pub(super) memory: Memory,
}

/// The candidates that a frame finds for a site.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// The number of the frame.
    pub(super) number: u32,
    pub(super) found: Vec<u32>,
}

impl Scratch {
    /// The memory in use, in bytes.
    fn memory(&self) -> usize {
        let around = self.around.iter().flatten().map(|around| around.found.capacity());
        let rules = around.sum::<usize>() + self.found.capacity() + self.truths.capacity();
        self.extract.memory() + self.memory.len() + rules * size_of::<u32>()
    }
}

/// The maximum memory that a scratch keeps, in bytes.
const MAX_KEPT_BYTES: usize = 32 << 20;

/// After an event with a body of up to so many bytes, the memory is not measured: the values of such a
/// body need far less than `MAX_KEPT_BYTES`.
const MAX_UNMEASURED_BYTES: usize = 64 << 10;

/// The number of scratches to keep. If more evaluations run at the same time, the others allocate their
/// own.
const MAX_POOLED: usize = 64;

/// The scratches of a plan. An evaluation locks one of them and does not move it, so that it needs neither
/// a copy nor a lock for the list of scratches.
#[derive(Debug)]
pub(crate) struct Pool(Box<[Mutex<Scratch>]>);

impl Default for Pool {
    fn default() -> Self {
        Self((0..MAX_POOLED).map(|_| Mutex::default()).collect())
    }
}

/// A scratch in use.
pub(crate) enum Borrowed<'p> {
    Pooled(MutexGuard<'p, Scratch>),
    /// All scratches of the pool are in use.
    Extra(Box<Scratch>),
}

impl Deref for Borrowed<'_> {
    type Target = Scratch;

    fn deref(&self) -> &Scratch {
        match self {
            Self::Pooled(scratch) => scratch,
            Self::Extra(scratch) => scratch,
        }
    }
}

impl DerefMut for Borrowed<'_> {
    fn deref_mut(&mut self) -> &mut Scratch {
        match self {
            Self::Pooled(scratch) => scratch,
            Self::Extra(scratch) => scratch,
        }
    }
}

impl Borrowed<'_> {
    /// Ends an evaluation of an event with a body of so many bytes.
    pub(crate) fn give_back(mut self, body_bytes: usize) {
        // Do not keep the memory of one large event forever.
        if body_bytes > MAX_UNMEASURED_BYTES && self.memory() > MAX_KEPT_BYTES {
            *self = Scratch::default();
        } else {
            self.extract.forget();
        }
    }
}

impl Pool {
    pub(crate) fn take(&self) -> Borrowed<'_> {
        for scratch in &self.0 {
            match scratch.try_lock() {
                Ok(scratch) => return Borrowed::Pooled(scratch),
                // An evaluation panicked, and may have left it inconsistent.
                Err(TryLockError::Poisoned(poisoned)) => {
                    scratch.clear_poison();
                    let mut scratch = poisoned.into_inner();
                    *scratch = Scratch::default();
                    return Borrowed::Pooled(scratch);
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        Borrowed::Extra(Box::default())
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn evaluations_at_the_same_time_have_scratches_of_their_own() {
        let pool = Pool::default();
        let mut taken: Vec<_> = (0..=MAX_POOLED).map(|_| pool.take()).collect();
        assert!(matches!(taken.pop(), Some(Borrowed::Extra(_))));
        assert!(taken.iter().all(|scratch| matches!(scratch, Borrowed::Pooled(_))));
    }

    #[test]
    fn a_scratch_keeps_its_memory_up_to_a_limit() {
        let pool = Pool::default();
        for (bytes, is_kept) in [(MAX_KEPT_BYTES / 2, true), (MAX_KEPT_BYTES + 1, false)] {
            let mut scratch = pool.take();
            scratch.found.reserve(bytes / size_of::<u32>() + 1);
            scratch.give_back(MAX_UNMEASURED_BYTES + 1);
            assert_eq!(pool.take().memory() > 0, is_kept, "{bytes}");
        }
    }

    #[test]
    fn a_panic_leaves_an_empty_scratch() {
        let pool = Pool::default();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut scratch = pool.take();
            scratch.frames = 7;
            assert_eq!(scratch.frames, 0, "this panics");
        }));
        assert!(panicked.is_err());
        for _ in 0..2 {
            let scratch = pool.take();
            assert!(matches!(scratch, Borrowed::Pooled(_)));
            assert_eq!(scratch.frames, 0);
            scratch.give_back(0);
        }
    }
}
