//! Uses the index to find the rules that may fire, site by site.

use super::indexed::{Decider, Row};
use crate::plan::{Lookup, Site, dedup};
use crate::scan::{EntryKind, find};

impl<'d> Decider<'d> {
    /// Decides the rules of a site, whose frames are at this level, and of its inner sites.
    pub(super) fn site(&mut self, number: usize, level: usize) {
        let event_plan = self.event_plan;
        let Some(site) = event_plan.sites.get(number) else { return };
        if site.list.is_some() {
            let Some((len, _)) = self.list_of(site, level) else { return };
            if len > site.smallest_max {
                self.overflow(site, level, len);
            }
        }
        self.found.clear();
        for around in 0..level {
            self.find_in_outer_frame(number, site, around);
        }
        dedup(self.found, 0);
        let around = self.found.len();
        let finds = site.levels.get(level).is_some_and(|level| !level.is_empty());
        if finds || around > 0 || !site.rest.is_empty() {
            self.each_row(site, level, &mut |decider| {
                decider.found.truncate(around);
                decider.find_in_frame(site, level);
                decider.candidates(site, level);
            });
        }
        if !site.inner.is_empty() {
            self.each_row(site, level, &mut |decider| {
                for inner in &site.inner {
                    decider.site(*inner, level + 1);
                }
            });
        }
    }

    /// Adds the candidates that the frame of an outer level finds for a site. They are looked up
    /// once per frame.
    fn find_in_outer_frame(&mut self, number: usize, site: &'d Site, level: usize) {
        let row = self.row(level);
        let place = self.around.get_mut(number).and_then(|site| site.get_mut(level));
        let Some(mut kept) = place.map(std::mem::take) else { return };
        if kept.number != row.number {
            let start = self.found.len();
            self.find_in_frame(site, level);
            kept.number = row.number;
            kept.found.clear();
            kept.found.extend_from_slice(self.found.get(start..).unwrap_or_default());
        } else {
            self.found.extend_from_slice(&kept.found);
        }
        if let Some(place) = self.around.get_mut(number).and_then(|site| site.get_mut(level)) {
            *place = kept;
        }
    }

    /// The length of the list of a site, and the first frame if there are frames.
    fn list_of(&self, site: &Site, level: usize) -> Option<(usize, Option<usize>)> {
        let (around, slot) = site.list?;
        debug_assert!(around < level, "the list is outside of its elements");
        let row = self.row(around);
        let entry = find(self.extract.row(row.group, row.row), slot)?;
        if entry.kind != EntryKind::List {
            return None;
        }
        Some((entry.len(), entry.elements().map(|(first, _)| first)))
    }

    /// Iterates over the frames of a site.
    fn each_row(&mut self, site: &'d Site, level: usize, body: &mut dyn FnMut(&mut Self)) {
        let group = site.groups.last().copied().unwrap_or(0);
        if site.list.is_none() {
            return body(self);
        }
        let Some((len, Some(first))) = self.list_of(site, level) else { return };
        for index in 0..len {
            // An event that needs too much work is refused as a whole.
            if self.work.spend(1, 0).is_err() {
                return;
            }
            if let Some(row) = self.rows.get_mut(level) {
                *row = Row { group, row: first + index, index, len, number: 0 };
            }
            self.enter(level);
            body(self);
        }
    }

    /// Adds the rules of a site that the frame of a level finds.
    fn find_in_frame(&mut self, site: &Site, level: usize) {
        let Some(index) = site.levels.get(level).filter(|index| !index.is_empty()) else { return };
        let row = self.row(level);
        let row = self.extract.row(row.group, row.row);
        index.find(
            row,
            &mut Lookup {
                extract: self.extract,
                body: self.body,
                work: self.work,
                memory: self.memory,
                found: self.found,
            },
        );
    }

    /// Decides the candidates, and the rules that are always candidates, in their order.
    fn candidates(&mut self, site: &'d Site, level: usize) {
        let around = self.found.len();
        if around == 0 && site.rest.is_empty() {
            return;
        }
        // The candidates of outer levels are sorted and kept for the next frame, so the others are
        // merged into a copy.
        let start = self.found.len();
        self.found.extend_from_within(..);
        self.found.extend_from_slice(&site.rest);
        dedup(self.found, start);
        for at in start..self.found.len() {
            let Some(rule) = self.found.get(at).copied() else { break };
            self.candidate(rule, level);
        }
    }
}
