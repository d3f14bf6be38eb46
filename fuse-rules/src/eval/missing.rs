//! What an event lacks that rules of it cannot fire without.

use rustc_hash::FxHashSet;

use super::frame;
use crate::eval::Pooled;
use crate::event::Event;
use crate::plan::{EventPlan, Site};
use crate::scan::{Entry, Extract, find};
use crate::semantics::Work;

/// The paths of values that are missing and without which a rule cannot fire, each once.
pub(crate) fn missing(plan: &Pooled, event: &Event<'_>) -> Vec<String> {
    let Some(event_plan) = plan.event(event.source(), event.name()) else { return Vec::new() };
    let mut scratch = plan.pool.take();
    let missing = match frame::read(&mut scratch.extract, &event_plan.frames, event) {
        Ok(()) => search(event_plan, &scratch.extract, event),
        Err(_) => Vec::new(),
    };
    plan.pool.put(scratch);
    missing
}

/// The same, of an event that was read for its rules.
pub(super) fn search(event_plan: &EventPlan, extract: &Extract, event: &Event<'_>) -> Vec<String> {
    let mut found = FxHashSet::default();
    let work = Work::new(event.received_at());
    Search { plan: event_plan, extract, work: &work }.look(0, &[0], &mut found);
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_unstable();
    let text = |(group, slot): (usize, u32)| {
        let group = event_plan.frames.groups.get(group)?;
        Some(group.slots.get(slot as usize)?.text.to_string())
    };
    found.into_iter().filter_map(text).collect()
}

/// Where it is looked for what is missing, and how much more.
struct Search<'s> {
    plan: &'s EventPlan,
    extract: &'s Extract,
    work: &'s Work,
}

impl Search<'_> {
    /// Looks at the frames of a site that are these rows, one a level, and at those inside of them. An
    /// event that asks for too much is looked at in part.
    fn look(&self, site: usize, rows: &[usize], found: &mut FxHashSet<(usize, u32)>) {
        let Self { plan, extract, work } = self;
        let Some(site) = plan.sites.get(site) else { return };
        if work.spend(1 + site.needed.len(), 0).is_err() {
            return;
        }
        for (level, slot) in &site.needed {
            if entry(site, extract, rows, *level, *slot).is_none() {
                found.extend(site.groups.get(*level).map(|group| (*group, *slot)));
            }
        }
        for number in &site.inner {
            let inner = plan.sites.get(*number).and_then(|inner| inner.list);
            let Some((level, slot)) = inner else { continue };
            let Some(list) = entry(site, extract, rows, level, slot) else {
                found.extend(site.groups.get(level).map(|group| (*group, slot)));
                continue;
            };
            if let Some((first, len)) = list.elements() {
                for row in first..first + len {
                    let rows: Vec<usize> = rows.iter().copied().chain([row]).collect();
                    self.look(*number, &rows, found);
                }
            }
        }
    }
}

/// What a frame has in a slot.
fn entry<'e>(
    site: &Site,
    extract: &'e Extract,
    rows: &[usize],
    level: usize,
    slot: u32,
) -> Option<&'e Entry> {
    find(extract.row(*site.groups.get(level)?, *rows.get(level)?), slot)
}
