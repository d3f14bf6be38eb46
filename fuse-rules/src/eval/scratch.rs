//! The memory that deciding takes, kept from one event to the next.

use std::sync::{Mutex, PoisonError};

use crate::plan::Memory;
use crate::scan::Extract;

/// The event, the `each` of a sensor, that of a rule, and some quantifiers.
pub(super) const LEVELS: usize = 6;

/// The memory that deciding takes, kept for the next event.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) extract: Extract,
    /// The truths of parts that several rules share, each with the number of the frame that it is
    /// of: `number << 2 | truth`.
    pub(super) truths: Vec<u32>,
    /// How many frames were looked at.
    pub(super) frames: u32,
    /// The candidates of the place.
    pub(super) found: Vec<u32>,
    /// What the frames around the sites find, by site and level.
    pub(super) around: Vec<[Around; LEVELS]>,
    pub(super) memory: Memory,
}

/// What a frame finds for a site.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// The number of the frame.
    pub(super) number: u32,
    pub(super) found: Vec<u32>,
}

impl Scratch {
    /// How many bytes it keeps.
    fn memory(&self) -> usize {
        let around = self.around.iter().flatten().map(|around| around.found.capacity());
        let rules = around.sum::<usize>() + self.found.capacity() + self.truths.capacity();
        self.extract.memory() + self.memory.len() + rules * size_of::<u32>()
    }
}

/// How many bytes a scratch may keep of what it read.
const MOST_KEPT: usize = 32 << 20;

/// How many scratches are kept: as many as events may be decided at once.
const MOST_AT_ONCE: usize = 64;

/// Scratches that nobody uses at the moment.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Vec<Scratch>>);

impl Pool {
    pub(crate) fn take(&self) -> Scratch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn put(&self, mut scratch: Scratch) {
        // What one large event took is not kept for good.
        if scratch.memory() > MOST_KEPT {
            return;
        }
        scratch.extract.forget();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_AT_ONCE {
            kept.push(scratch);
        }
    }
}
