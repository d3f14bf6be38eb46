//! The index finds the rules that may fire from the values of an event. Each rule is stored under a
//! fact that must be true for it to fire, and of several facts under the rarest. The rules that are
//! found are then evaluated; the others cannot fire.

mod access;
mod affix;
mod interval;
mod level;
mod pattern;
mod state;
#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

pub(crate) use access::Access;
use access::{AccessChoice, Counts};
pub(crate) use level::{LevelIndex, Lookup, Memory, dedup};

use super::atom::AtomTest;
use super::program::{NodeKind, PartRef, Programs};
use super::{EventPlan, Frames, RuleAt};

/// The levels of a site, the event's first.
pub(crate) type Levels = Box<[LevelIndex]>;

/// Rules that are decided at one site: for the event, or for each element of a list, or of a list
/// in one.
#[derive(Debug)]
pub(crate) struct Site {
    /// The groups of the frames at this site, the event's first.
    pub(crate) groups: Box<[usize]>,
    /// The sites inside this one.
    pub(crate) inner: Vec<usize>,
    /// The list that this site iterates over: the level of its frame, and the slot.
    pub(crate) list: Option<(usize, u32)>,
    pub(crate) levels: Levels,
    /// Rules that the index cannot find. They are decided for every element.
    pub(crate) rest: Vec<u32>,
    /// All rules of the site.
    pub(crate) rules: Vec<u32>,
    /// Values that a rule needs in order to fire, by level and slot.
    pub(crate) needed: Vec<(usize, u32)>,
    /// The rules that iterate over the list of this site, including those of inner sites.
    pub(crate) iterating: Vec<u32>,
    /// The smallest `max` that these rules set for the list.
    pub(crate) smallest_max: usize,
}

/// A rule that the index may find.
pub(super) struct Candidate {
    pub(super) at: RuleAt,
    /// The groups of the frames around its condition.
    pub(super) groups: Vec<usize>,
    /// The limits of the `each` blocks around it.
    pub(super) lists: Vec<usize>,
    pub(super) outer: PartRef,
    pub(super) condition: PartRef,
}

/// Assigns the rules of an event to sites.
pub(super) fn build(
    candidates: Vec<Candidate>,
    programs: &Programs,
    frames: &Frames,
) -> (Vec<RuleAt>, Vec<Site>) {
    let mut sites = Sites { frames, sites: Vec::new(), known: FxHashMap::default() };
    sites.at(&[0]);
    let placed: Vec<usize> =
        candidates.iter().map(|candidate| sites.at(&candidate.groups)).collect();
    let Sites { mut sites, known, .. } = sites;
    for (number, candidate) in (0..).zip(&candidates) {
        for (outer, max) in (2..).zip(&candidate.lists) {
            let groups = candidate.groups.get(..outer).and_then(|groups| known.get(groups));
            if let Some(site) = groups.and_then(|site| sites.get_mut(*site)) {
                site.iterating.push(number);
                site.smallest_max = site.smallest_max.min(*max);
            }
        }
    }
    let mut counts: Vec<Counts> = sites.iter().map(|_| Counts::default()).collect();
    for (candidate, site) in candidates.iter().zip(&placed) {
        if let Some(counts) = counts.get_mut(*site) {
            counts.add(programs, candidate.outer);
            counts.add(programs, candidate.condition);
        }
    }
    let mut levels: Vec<Vec<level::LevelBuilder>> = sites
        .iter()
        .map(|site| site.groups.iter().map(|_| level::LevelBuilder::default()).collect())
        .collect();
    for ((number, candidate), at) in (0..).zip(&candidates).zip(&placed) {
        let (Some(site), Some(counts), Some(levels)) =
            (sites.get_mut(*at), counts.get(*at), levels.get_mut(*at))
        else {
            continue;
        };
        site.rules.push(number);
        for part in conjuncts(programs, candidate.outer, candidate.condition) {
            if let Some(NodeKind::Test(test)) = programs.node(part.node).map(|node| &node.kind)
                && let Some(at) = test.at()
                && !matches!(test, AtomTest::Is(..))
            {
                site.needed.push((at.level as usize, at.slot));
            }
        }
        match choose(counts, programs, candidate.outer, candidate.condition) {
            None => site.rest.push(number),
            Some(choice) => {
                for access in choice.accesses {
                    if let Some(level) = levels.get_mut(access.level() as usize) {
                        level.add(access, number);
                    }
                }
            }
        }
    }
    for (site, levels) in sites.iter_mut().zip(levels) {
        site.needed.sort_unstable();
        site.needed.dedup();
        site.needed.shrink_to_fit();
        site.levels = levels.into_iter().map(level::LevelBuilder::finish).collect();
    }
    (candidates.into_iter().map(|candidate| candidate.at).collect(), sites)
}

/// The best access of a rule, from both of its conditions.
fn choose(
    counts: &Counts,
    programs: &Programs,
    outer: PartRef,
    condition: PartRef,
) -> Option<AccessChoice> {
    counts.choose_for_all(programs, &conjuncts(programs, outer, condition))
}

/// The parts that must all be true for a rule to fire.
fn conjuncts(programs: &Programs, outer: PartRef, condition: PartRef) -> Vec<PartRef> {
    let mut parts: Vec<PartRef> = Vec::new();
    for part in [outer, condition] {
        match programs.node(part.node).map(|node| &node.kind) {
            Some(NodeKind::All(inner)) => parts.extend(inner),
            _ => parts.push(part),
        }
    }
    parts
}

struct Sites<'f> {
    frames: &'f Frames,
    sites: Vec<Site>,
    known: FxHashMap<Vec<usize>, usize>,
}

impl Sites<'_> {
    /// The site with these groups. It is created with its outer sites if it does not exist.
    fn at(&mut self, groups: &[usize]) -> usize {
        if let Some(site) = self.known.get(groups) {
            return *site;
        }
        let outer = groups.split_last().filter(|(_, outer)| !outer.is_empty());
        let around = outer.map(|(_, outer)| self.at(outer));
        let site = self.sites.len();
        if let Some(around) = around.and_then(|around| self.sites.get_mut(around)) {
            around.inner.push(site);
        }
        let list = groups.last().and_then(|group| self.frames.groups.get(*group)?.list);
        let list = list.and_then(|(group, slot)| {
            // The nearest frame of the group that contains the list.
            let level = groups.iter().rev().skip(1).position(|around| *around == group)?;
            Some((groups.len() - 2 - level, slot))
        });
        self.sites.push(Site {
            groups: groups.into(),
            inner: Vec::new(),
            list,
            levels: Box::default(),
            rest: Vec::new(),
            rules: Vec::new(),
            needed: Vec::new(),
            iterating: Vec::new(),
            smallest_max: usize::MAX,
        });
        self.known.insert(groups.to_vec(), site);
        site
    }
}

/// The accesses of each rule of an event, for listings; `None` for a rule that is always decided.
pub(crate) fn chosen(plan: &EventPlan) -> Vec<(RuleAt, Option<Vec<Access>>)> {
    let mut all = Vec::new();
    for site in &plan.sites {
        let rules = || site.rules.iter().filter_map(|rule| plan.rules.get(*rule as usize));
        let conditions = |at: RuleAt| {
            let (sensor, rule) = plan.rule(at)?;
            Some((sensor.condition, rule.condition))
        };
        let mut counts = Counts::default();
        for (outer, condition) in rules().filter_map(|at| conditions(*at)) {
            counts.add(&plan.programs, outer);
            counts.add(&plan.programs, condition);
        }
        for at in rules() {
            let choice = conditions(*at)
                .and_then(|(outer, condition)| choose(&counts, &plan.programs, outer, condition));
            all.push((*at, choice.map(|choice| choice.accesses)));
        }
    }
    all.sort_by_key(|(at, _)| *at);
    all
}
