//! Finds values that an event lacks and that its rules need in order to fire.

use rustc_hash::FxHashSet;

use super::frame;
use crate::eval::Pooled;
use crate::event::Event;
use crate::plan::{EventPlan, Site};
use crate::scan::{Entry, Extract, find};
use crate::semantics::Work;

/// The paths of missing values that a rule needs in order to fire, without duplicates.
pub(crate) fn missing(plan: &Pooled, event: &Event<'_>) -> Vec<String> {
    let Some(event_plan) = plan.event(event.source(), event.name()) else { return Vec::new() };
    let mut scratch = plan.pool.take();
    let missing = match frame::read(&mut scratch.extract, &event_plan.frames, event, event.body()) {
        Ok(()) => search(event_plan, &scratch.extract, event),
        Err(_) => Vec::new(),
    };
    scratch.give_back(event.body().len());
    missing
}

/// The same for an event that was already read for its rules.
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

/// The state of the search, with the remaining work.
struct Search<'s> {
    plan: &'s EventPlan,
    extract: &'s Extract,
    work: &'s Work,
}

impl Search<'_> {
    /// Searches the frames of a site with these rows (one per level), and the frames inside them.
    /// If an event needs too much work, only a part is searched.
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

/// The entry of a frame's slot.
fn entry<'e>(
    site: &Site,
    extract: &'e Extract,
    rows: &[usize],
    level: usize,
    slot: u32,
) -> Option<&'e Entry> {
    find(extract.row(*site.groups.get(level)?, *rows.get(level)?), slot)
}
