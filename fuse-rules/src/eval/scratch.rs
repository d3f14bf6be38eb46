//! The memory for evaluation, which is reused for the next event.

use std::sync::{Mutex, PoisonError};

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

/// The maximum number of scratches to keep: the number of events that can be decided at the same
/// time.
const MAX_POOLED: usize = 64;

/// The scratches that are currently unused.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    pub(crate) fn take(&self) -> Scratch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn put(&self, mut scratch: Scratch) {
        // Do not keep the memory of one large event forever.
        if scratch.memory() > MAX_KEPT_BYTES {
            return;
        }
        scratch.extract.forget();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_POOLED {
            kept.push(scratch);
        }
    }
}
