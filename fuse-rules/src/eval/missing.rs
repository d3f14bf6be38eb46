//! What an event lacks that rules of it cannot fire without.

use rustc_hash::FxHashSet;

use super::frame;
use crate::event::Event;
use crate::plan::{Compiled, EventPlan, Site};
use crate::scan::{Entry, Extract, find};

/// The paths of values that are missing and without which a rule cannot fire, each once.
pub(crate) fn missing(plan: &Compiled, event: &Event<'_>) -> Vec<String> {
    let Some(event_plan) = plan.event(event.source(), event.name()) else { return Vec::new() };
    let mut scratch = plan.pool.take();
    let mut found = FxHashSet::default();
    if frame::read(&mut scratch.extract, &event_plan.frames, event).is_ok() {
        look(event_plan, &scratch.extract, 0, &[0], &mut found);
    }
    plan.pool.put(scratch);
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_unstable();
    let text = |(group, slot): (usize, u32)| {
        let group = event_plan.frames.groups.get(group)?;
        Some(group.slots.get(slot as usize)?.text.to_string())
    };
    found.into_iter().filter_map(text).collect()
}

/// Looks at the frames of a site that are these rows, one a level, and at those inside of them.
fn look(
    plan: &EventPlan,
    extract: &Extract,
    site: usize,
    rows: &[usize],
    found: &mut FxHashSet<(usize, u32)>,
) {
    let Some(site) = plan.sites.get(site) else { return };
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
                look(plan, extract, *number, &rows, found);
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
