//! An access is a fact that must be true for a rule to fire and that an index can look up. If it is
//! false, the rule is excluded; if it is true, the rule is a candidate.

use rustc_hash::FxHashMap;

use super::interval::Interval;
use super::pattern;
use super::state::ValueState;
use crate::plan::atom::{AtomTest, Constant, SlotRef};
use crate::plan::program::{NodeKind, PartRef, Programs};
use crate::typed::{IsTest, TextOp};

/// A fact that an index can look up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    /// The value is the constant with this hash.
    Equal(SlotRef, u64),
    /// Several values of one frame are these constants. The second field is the index of the best
    /// single one.
    Together(Vec<(SlotRef, u64)>, usize),
    /// The value is a number in an interval.
    Within(SlotRef, Interval),
    Prefix(SlotRef, Box<str>),
    Suffix(SlotRef, Box<str>),
    Contains(SlotRef, Box<str>),
    /// An access that is true for an element of a list, whose frames are in this group.
    Among(SlotRef, usize, Box<Access>),
    /// The value is in one of these states: present, or of a kind.
    Is(SlotRef, ValueState),
}

impl Access {
    /// The level of the frame that it reads.
    pub(crate) fn level(&self) -> u32 {
        match self {
            Self::Together(all, _) => all.first().map_or(0, |(at, _)| at.level),
            Self::Equal(at, _)
            | Self::Within(at, _)
            | Self::Prefix(at, _)
            | Self::Suffix(at, _)
            | Self::Contains(at, _)
            | Self::Among(at, ..)
            | Self::Is(at, _) => at.level,
        }
    }
}

/// Accesses, one of which must be true, and the estimated probability of that.
pub(crate) struct AccessChoice {
    pub(crate) likely: f64,
    pub(crate) accesses: Vec<Access>,
}

/// The number of rules that share a constant from which further constants are looked up together
/// with it.
const MIN_SHARING_RULES: u32 = 8;
/// The maximum number of values that are looked up together.
const MAX_COMBINED: usize = 3;

/// How often the rules of a site use each constant. A constant that many rules use is assumed to be
/// common in events, too.
#[derive(Default)]
pub(crate) struct Counts {
    constants: FxHashMap<(SlotRef, u64), u32>,
    places: FxHashMap<SlotRef, u32>,
}

impl Counts {
    /// Counts the constants of a rule.
    pub(crate) fn add(&mut self, programs: &Programs, part: PartRef) {
        match programs.node(part.node).map(|node| &node.kind) {
            Some(NodeKind::All(parts) | NodeKind::Any(parts)) => {
                parts.iter().for_each(|part| self.add(programs, *part));
            }
            Some(NodeKind::Test(AtomTest::Equal(at, value))) if !part.negated => {
                self.one(*at, value)
            }
            Some(NodeKind::Test(AtomTest::OneOf(at, list))) if !part.negated => {
                list.iter().for_each(|value| self.one(*at, value));
            }
            Some(NodeKind::Choice(choice)) => {
                let parts = [choice.condition, choice.chosen, choice.negation, choice.otherwise];
                parts.iter().for_each(|part| self.add(programs, *part));
            }
            Some(NodeKind::Among(among)) if !part.negated => self.add(programs, among.part),
            _ => {}
        }
    }

    fn one(&mut self, at: SlotRef, value: &Constant) {
        *self.constants.entry((at, value.hash())).or_default() += 1;
        *self.places.entry(at).or_default() += 1;
    }

    fn count(&self, at: SlotRef, hash: u64) -> u32 {
        self.constants.get(&(at, hash)).copied().unwrap_or(0)
    }

    fn likely(&self, at: SlotRef, hash: u64) -> f64 {
        let all = self.places.get(&at).copied().unwrap_or(0);
        // If there are few rules, their constants are assumed to be rare.
        (f64::from(self.count(at, hash)) + 0.5) / (f64::from(all) + 10.0)
    }

    /// The best accesses for a part that must be true; `None` if there is no access for it.
    pub(crate) fn choose(&self, programs: &Programs, part: PartRef) -> Option<AccessChoice> {
        match &programs.node(part.node)?.kind {
            NodeKind::All(parts) => self.choose_for_all(programs, parts),
            // One access per branch.
            NodeKind::Any(parts) => {
                self.choose_for_one(parts.iter().map(|part| self.choose(programs, *part)))
            }
            NodeKind::Choice(choice) => {
                let branches =
                    [[choice.condition, choice.chosen], [choice.negation, choice.otherwise]];
                self.choose_for_one(
                    branches.iter().map(|parts| self.choose_for_all(programs, parts)),
                )
            }
            NodeKind::Test(test) => self.choose_for_test(test, part.negated),
            // If it is true for no element, the list is present.
            NodeKind::Among(among) if part.negated => Some(AccessChoice {
                likely: 0.9,
                accesses: vec![Access::Is(among.list, ValueState::LIST)],
            }),
            NodeKind::Among(among) => {
                let mut choice = self.choose(programs, among.part)?;
                for access in &mut choice.accesses {
                    if access.level() == among.level {
                        let inner = Box::new(access.clone());
                        *access = Access::Among(among.list, among.group, inner);
                    }
                }
                Some(choice)
            }
        }
    }

    /// The accesses of all branches, one of which must be true.
    fn choose_for_one(
        &self,
        branches: impl Iterator<Item = Option<AccessChoice>>,
    ) -> Option<AccessChoice> {
        let mut all = AccessChoice { likely: 0.0, accesses: Vec::new() };
        for branch in branches {
            let one = branch?;
            all.likely += one.likely;
            all.accesses.extend(one.accesses);
        }
        Some(all)
    }

    /// The best accesses for parts that must all be true.
    pub(crate) fn choose_for_all(
        &self,
        programs: &Programs,
        parts: &[PartRef],
    ) -> Option<AccessChoice> {
        let mut best: Option<AccessChoice> = None;
        let mut better = |choice: AccessChoice| {
            if best.as_ref().is_none_or(|best| choice.likely < best.likely) {
                best = Some(choice);
            }
        };
        let mut equal: Vec<(SlotRef, u64)> = Vec::new();
        let mut within: Vec<(SlotRef, Interval)> = Vec::new();
        for part in parts {
            if let Some(NodeKind::Test(test)) = programs.node(part.node).map(|node| &node.kind) {
                match test {
                    AtomTest::Equal(at, value) if !part.negated => equal.push((*at, value.hash())),
                    AtomTest::Less(..) | AtomTest::Greater(..) => {
                        let Some((at, interval)) = interval(test, part.negated) else { continue };
                        match within.iter_mut().find(|(other, _)| *other == at) {
                            Some((_, both)) => both.narrow(&interval),
                            None => within.push((at, interval)),
                        }
                        continue;
                    }
                    _ => {}
                }
            }
            if let Some(choice) = self.choose(programs, *part) {
                better(choice);
            }
        }
        for (at, interval) in within {
            better(AccessChoice {
                likely: interval.likely(),
                accesses: vec![Access::Within(at, interval)],
            });
        }
        if let Some(choice) = self.together(equal) {
            better(choice);
        }
        best
    }

    /// A combination of constants, if many rules share each of them.
    fn together(&self, mut equal: Vec<(SlotRef, u64)>) -> Option<AccessChoice> {
        // Prefer the innermost frame, whose values change most often.
        let level = equal.iter().map(|(at, _)| at.level).max()?;
        equal.retain(|(at, _)| at.level == level);
        equal.sort_by(|a, b| self.likely(a.0, a.1).total_cmp(&self.likely(b.0, b.1)));
        equal.dedup_by_key(|(at, _)| *at);
        equal.truncate(MAX_COMBINED);
        let (at, hash) = *equal.first()?;
        if equal.len() < 2 || self.count(at, hash) <= MIN_SHARING_RULES {
            return None;
        }
        let likely = equal.iter().map(|(at, hash)| self.likely(*at, *hash)).product();
        equal.sort_by_key(|(at, _)| at.slot);
        let best = equal.iter().position(|(other, _)| *other == at)?;
        Some(AccessChoice { likely, accesses: vec![Access::Together(equal, best)] })
    }

    fn choose_for_test(&self, test: &AtomTest, negated: bool) -> Option<AccessChoice> {
        let one = |likely, access| Some(AccessChoice { likely, accesses: vec![access] });
        // A value that is compared with `!=` must be present and of the constant's kind.
        let of_kind = |at: SlotRef, state: ValueState| one(0.7, Access::Is(at, state));
        let text = |at, literal: &str, access: fn(SlotRef, Box<str>) -> Access| {
            one(pattern::likely(literal), access(at, literal.into()))
        };
        match (test, negated) {
            (AtomTest::Equal(at, value), false) => {
                let hash = value.hash();
                one(self.likely(*at, hash), Access::Equal(*at, hash))
            }
            (AtomTest::Equal(at, value), true) => of_kind(*at, ValueState::from_constant(value)),
            (AtomTest::OneOf(at, list), false) => {
                let mut all = AccessChoice { likely: 0.0, accesses: Vec::new() };
                for value in list {
                    all.likely += self.likely(*at, value.hash());
                    all.accesses.push(Access::Equal(*at, value.hash()));
                }
                Some(all)
            }
            (AtomTest::OneOf(at, list), true) => {
                // Nothing is in an empty list, so any value is possible.
                let kinds = list
                    .iter()
                    .map(ValueState::from_constant)
                    .fold(ValueState::NONE, ValueState::or);
                let kinds = if list.is_empty() { ValueState::PRESENT } else { kinds };
                of_kind(*at, kinds)
            }
            (AtomTest::Less(..) | AtomTest::Greater(..), _) => {
                let (at, interval) = interval(test, negated)?;
                one(interval.likely(), Access::Within(at, interval))
            }
            (AtomTest::Text(at, TextOp::StartsWith, literal), false) if !literal.is_empty() => {
                text(*at, literal, Access::Prefix)
            }
            (AtomTest::Text(at, TextOp::EndsWith, literal), false) if !literal.is_empty() => {
                text(*at, literal, Access::Suffix)
            }
            (AtomTest::Text(at, TextOp::Contains, literal), false) if !literal.is_empty() => {
                text(*at, literal, Access::Contains)
            }
            (AtomTest::Pattern(at, pattern), false) => {
                let Some(literals) = pattern::literals(pattern) else {
                    return of_kind(*at, ValueState::TEXT);
                };
                let mut all = AccessChoice { likely: 0.0, accesses: Vec::new() };
                for literal in literals {
                    all.likely += literal.likely();
                    all.accesses.push(literal.access(*at));
                }
                Some(all)
            }
            (AtomTest::Text(at, ..) | AtomTest::Pattern(at, _), _) => {
                of_kind(*at, ValueState::TEXT)
            }
            (AtomTest::Is(at, test), negated) => {
                let state = ValueState::for_test(*test, negated);
                let likely = if *test == IsTest::Missing && !negated { 0.4 } else { 0.8 };
                one(likely, Access::Is(*at, state))
            }
            (AtomTest::Expr(..), _) => None,
        }
    }
}

fn interval(test: &AtomTest, negated: bool) -> Option<(SlotRef, Interval)> {
    Some(match test {
        AtomTest::Less(at, than) if negated => (*at, Interval::from(**than, true)),
        AtomTest::Less(at, than) => (*at, Interval::to(**than, false)),
        AtomTest::Greater(at, than) if negated => (*at, Interval::to(**than, true)),
        AtomTest::Greater(at, than) => (*at, Interval::from(**than, false)),
        _ => return None,
    })
}
