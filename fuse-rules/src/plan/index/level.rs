//! The index for the values of one frame.

use std::ops::Range;

use aho_corasick::AhoCorasick;
use rustc_hash::FxHashMap;

use super::access::Access;
use super::affix::Prefixes;
use super::interval::{Interval, Intervals};
use super::state::ValueState;
use crate::plan::atom::{number_hash, text_hash};
use crate::scan::{Entry, EntryKind, Extract, find};
use crate::semantics::Work;

/// The maximum number of different sets of values that are looked up together.
const MAX_SETS: usize = 64;

/// The rules of a site that the values of one frame find.
#[derive(Debug, Default)]
pub(crate) struct LevelIndex {
    /// The rules by constant, or by a combination of constants.
    constants: FxHashMap<u64, Range<u32>>,
    found: Box<[u32]>,
    /// The slots whose constants are looked up together.
    sets: Vec<Box<[u32]>>,
    /// All rules, for elements that were not extracted; empty for frames that always are.
    all: Box<[u32]>,
    /// Other facts about single slots.
    slots: FxHashMap<u32, Box<BySlot>>,
    /// Rules that require a value to be missing.
    missing: Vec<(u32, Box<[u32]>)>,
    /// The rules that the elements of lists find, by the slot of the list and the group of its
    /// elements.
    among: Vec<(u32, usize, LevelIndex)>,
    empty: bool,
}

/// The rules that one value finds.
#[derive(Debug, Default)]
struct BySlot {
    constants: bool,
    intervals: Option<Intervals>,
    prefixes: Option<Prefixes>,
    /// By suffix, in reverse.
    suffixes: Option<Prefixes>,
    parts: Option<Parts>,
    states: Vec<(ValueState, Box<[u32]>)>,
}

/// The rules that require a substring in a text.
#[derive(Debug)]
struct Parts {
    automaton: AhoCorasick,
    rules: Vec<Box<[u32]>>,
}

/// The context of a lookup, besides the values.
pub(crate) struct Lookup<'l> {
    pub(crate) extract: &'l Extract,
    pub(crate) body: &'l str,
    pub(crate) work: &'l Work,
    pub(crate) memory: &'l mut Memory,
    /// The rules found so far.
    pub(crate) found: &'l mut Vec<u32>,
}

/// Memory for lookups.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    backwards: Vec<u8>,
    /// One bit per substring that was found in a text.
    seen: Vec<u64>,
}

impl Memory {
    /// The memory in use, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.backwards.capacity() + self.seen.capacity() * size_of::<u64>()
    }
}

impl LevelIndex {
    /// Whether no value of this frame finds any rule.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// Adds the rules that may fire with the values of a row. Some may be added twice.
    pub(crate) fn find(&self, row: &[Entry], lookup: &mut Lookup<'_>) {
        for entry in row {
            if let Some(slot) = self.slots.get(&entry.slot) {
                self.one(slot, entry, lookup);
            }
        }
        'sets: for set in &self.sets {
            let mut key = COMBINED_SEED;
            for slot in set {
                let hash = find(row, *slot).and_then(|entry| hash(entry, lookup));
                let Some(hash) = hash else { continue 'sets };
                key = join(key, *slot, hash);
            }
            self.constant(key, lookup);
        }
        for (slot, rules) in &self.missing {
            if find(row, *slot).is_none() {
                lookup.found.extend_from_slice(rules);
            }
        }
        for (slot, group, level) in &self.among {
            let Some(list) = find(row, *slot).filter(|entry| entry.kind == EntryKind::List) else {
                continue;
            };
            match list.elements() {
                Some((first, len)) => {
                    let start = lookup.found.len();
                    for at in first..first + len {
                        // Past the limit the event is refused anyway.
                        if lookup.work.spend(1, 0).is_err() {
                            break;
                        }
                        level.find(lookup.extract.row(*group, at), lookup);
                        // Many elements can find the same rules.
                        if lookup.found.len() - start > 2 * level.all.len() {
                            dedup(lookup.found, start);
                        }
                    }
                }
                // The list is too long to be extracted, so any of its elements could match.
                None => lookup.found.extend_from_slice(&level.all),
            }
        }
    }

    fn one(&self, slot: &BySlot, entry: &Entry, lookup: &mut Lookup<'_>) {
        let (extract, body) = (lookup.extract, lookup.body);
        if slot.constants
            && let Some(hash) = hash(entry, lookup)
        {
            self.constant(join(SINGLE_SEED, entry.slot, hash), lookup);
        }
        if let Some(intervals) = &slot.intervals
            && let Some(number) = extract.number(entry, body)
        {
            intervals.find(&number, lookup.found);
        }
        if let EntryKind::Text | EntryKind::Decoded = entry.kind {
            let text = extract.text(entry, body);
            if let Some(prefixes) = &slot.prefixes {
                prefixes.find(text.as_bytes(), lookup.found);
            }
            if let Some(suffixes) = &slot.suffixes {
                let backwards = &mut lookup.memory.backwards;
                backwards.clear();
                backwards.extend(text.bytes().rev().take(suffixes.longest()));
                suffixes.find(backwards, lookup.found);
            }
            if let Some(parts) = &slot.parts {
                parts.find(text, lookup);
            }
        }
        let state = ValueState::from_kind(entry.kind);
        for (_, rules) in slot.states.iter().filter(|(wanted, _)| wanted.meets(state)) {
            lookup.found.extend_from_slice(rules);
        }
    }

    fn constant(&self, key: u64, lookup: &mut Lookup<'_>) {
        if let Some(range) = self.constants.get(&key) {
            let rules = self.found.get(range.start as usize..range.end as usize);
            lookup.found.extend_from_slice(rules.unwrap_or_default());
        }
    }
}

/// Sorts the rules from `start` on and removes duplicates.
pub(crate) fn dedup(found: &mut Vec<u32>, start: usize) {
    if let Some(part) = found.get_mut(start..) {
        part.sort_unstable();
    }
    let mut kept = start;
    for at in start..found.len() {
        if at == start || found.get(at) != found.get(kept - 1) {
            found.swap(kept, at);
            kept += 1;
        }
    }
    found.truncate(kept);
}

/// The number of bytes of work that a repeated substring counts as.
const REPEAT_WORK_BYTES: usize = 64;
const SINGLE_SEED: u64 = 0;
const COMBINED_SEED: u64 = 1;

/// The combined key of a value and those before it.
#[inline]
fn join(key: u64, slot: u32, hash: u64) -> u64 {
    (key.rotate_left(23) ^ hash ^ u64::from(slot).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_mul(0xff51_afd7_ed55_8ccd)
}

/// The hash of a value, for comparison with constants.
#[inline]
fn hash(entry: &Entry, lookup: &Lookup<'_>) -> Option<u64> {
    let (extract, body) = (lookup.extract, lookup.body);
    Some(match entry.kind {
        EntryKind::Text | EntryKind::Decoded => text_hash(extract.text(entry, body)),
        EntryKind::Number => number_hash(&extract.number(entry, body)?),
        // The same as `Constant::hash`.
        EntryKind::Null => 1,
        EntryKind::False => 2,
        EntryKind::True => 3,
        EntryKind::Surrogate | EntryKind::List | EntryKind::Map => return None,
    })
}

/// Texts with the rules that require them.
type Affixes = Vec<(Box<[u8]>, u32)>;

/// Builds a level.
#[derive(Default)]
pub(super) struct LevelBuilder {
    constants: Vec<(u64, u32)>,
    sets: Vec<Box<[u32]>>,
    single: Vec<u32>,
    intervals: FxHashMap<u32, Vec<(Interval, u32)>>,
    prefixes: FxHashMap<u32, Affixes>,
    suffixes: FxHashMap<u32, Affixes>,
    parts: FxHashMap<u32, Vec<(Box<str>, u32)>>,
    states: FxHashMap<(u32, ValueState), Vec<u32>>,
    among: FxHashMap<(u32, usize), LevelBuilder>,
    /// All rules, if the level is for elements.
    all: Vec<u32>,
}

impl LevelBuilder {
    pub(super) fn add(&mut self, access: Access, rule: u32) {
        match access {
            Access::Among(at, group, inner) => {
                let elements = self.among.entry((at.slot, group)).or_default();
                elements.all.push(rule);
                elements.add(*inner, rule);
            }
            Access::Equal(at, hash) => self.equal(at.slot, hash, rule),
            Access::Together(all, best) => {
                let slots: Box<[u32]> = all.iter().map(|(at, _)| at.slot).collect();
                if !self.sets.contains(&slots) {
                    if self.sets.len() >= MAX_SETS {
                        if let Some((at, hash)) = all.get(best) {
                            self.equal(at.slot, *hash, rule);
                        }
                        return;
                    }
                    self.sets.push(slots);
                }
                let key =
                    all.iter().fold(COMBINED_SEED, |key, (at, hash)| join(key, at.slot, *hash));
                self.constants.push((key, rule));
            }
            Access::Within(at, interval) => {
                self.intervals.entry(at.slot).or_default().push((interval, rule));
            }
            Access::Prefix(at, text) => {
                let text = text.into_boxed_bytes();
                self.prefixes.entry(at.slot).or_default().push((text, rule));
            }
            Access::Suffix(at, text) => {
                let text = text.bytes().rev().collect();
                self.suffixes.entry(at.slot).or_default().push((text, rule));
            }
            Access::Contains(at, text) => {
                self.parts.entry(at.slot).or_default().push((text, rule));
            }
            Access::Is(at, state) => self.states.entry((at.slot, state)).or_default().push(rule),
        }
    }

    fn equal(&mut self, slot: u32, hash: u64, rule: u32) {
        if self.single.last() != Some(&slot) {
            self.single.push(slot);
        }
        self.constants.push((join(SINGLE_SEED, slot, hash), rule));
    }

    pub(super) fn finish(mut self) -> LevelIndex {
        let mut by_slot: FxHashMap<u32, Box<BySlot>> = FxHashMap::default();
        let mut at = |slot: u32, change: &mut dyn FnMut(&mut BySlot)| {
            change(by_slot.entry(slot).or_default());
        };
        for slot in self.single {
            at(slot, &mut |slot| slot.constants = true);
        }
        for (slot, mut all) in self.intervals {
            at(slot, &mut |slot| slot.intervals = Some(Intervals::new(std::mem::take(&mut all))));
        }
        for (slot, mut all) in self.prefixes {
            at(slot, &mut |slot| slot.prefixes = Some(Prefixes::new(std::mem::take(&mut all))));
        }
        for (slot, mut all) in self.suffixes {
            at(slot, &mut |slot| slot.suffixes = Some(Prefixes::new(std::mem::take(&mut all))));
        }
        for (slot, all) in self.parts {
            let state = (slot, ValueState::TEXT);
            match Parts::new(&all) {
                Some(parts) => {
                    let mut parts = Some(parts);
                    at(slot, &mut |slot| slot.parts = parts.take());
                }
                // There are too many to search for at once, so use any text.
                None => {
                    self.states.entry(state).or_default().extend(all.iter().map(|(_, rule)| *rule))
                }
            }
        }
        let mut missing = Vec::new();
        let mut states: Vec<_> = self.states.into_iter().collect();
        states.sort_unstable_by_key(|(key, _)| *key);
        for ((slot, state), rules) in states {
            let rules: Box<[u32]> = rules.into();
            if state.meets(ValueState::ABSENT) {
                missing.push((slot, rules.clone()));
            }
            if state != ValueState::ABSENT {
                at(slot, &mut |slot| slot.states.push((state, rules.clone())));
            }
        }
        self.constants.sort_unstable();
        self.constants.dedup();
        let mut constants = FxHashMap::default();
        let mut end = 0;
        for same in self.constants.chunk_by(|(a, _), (b, _)| a == b) {
            let start = end;
            end += u32::try_from(same.len()).unwrap_or(u32::MAX);
            if let Some((key, _)) = same.first() {
                constants.insert(*key, start..end);
            }
        }
        constants.shrink_to_fit();
        by_slot.shrink_to_fit();
        let found = self.constants.into_iter().map(|(_, rule)| rule).collect();
        let mut among: Vec<_> = self
            .among
            .into_iter()
            .map(|((slot, group), level)| (slot, group, level.finish()))
            .collect();
        among.sort_unstable_by_key(|(slot, group, _)| (*slot, *group));
        self.all.sort_unstable();
        self.all.dedup();
        let empty =
            constants.is_empty() && missing.is_empty() && among.is_empty() && by_slot.is_empty();
        LevelIndex {
            constants,
            found,
            sets: self.sets,
            slots: by_slot,
            missing,
            among,
            all: self.all.into(),
            empty,
        }
    }
}

impl Parts {
    fn find(&self, text: &str, lookup: &mut Lookup<'_>) {
        let seen = &mut lookup.memory.seen;
        seen.clear();
        seen.resize(self.rules.len().div_ceil(64), 0);
        for part in self.automaton.find_overlapping_iter(text) {
            let part = part.pattern().as_usize();
            let Some(word) = seen.get_mut(part / 64) else { continue };
            let bit = 1 << (part % 64);
            if *word & bit == 0 {
                *word |= bit;
                lookup.found.extend(self.rules.get(part).into_iter().flatten());
            } else if lookup.work.spend(0, REPEAT_WORK_BYTES).is_err() {
                // A substring that occurs very often counts as work.
                return;
            }
        }
    }

    fn new(all: &[(Box<str>, u32)]) -> Option<Self> {
        let mut rules: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
        for (text, rule) in all {
            rules.entry(text).or_default().push(*rule);
        }
        let mut rules: Vec<(&str, Vec<u32>)> = rules.into_iter().collect();
        rules.sort_unstable();
        let automaton = AhoCorasick::new(rules.iter().map(|(text, _)| text)).ok()?;
        Some(Self { automaton, rules: rules.into_iter().map(|(_, rules)| rules.into()).collect() })
    }
}
