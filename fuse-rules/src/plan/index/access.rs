//! An access is a fact that must be true for a rule to fire and that an index can look up. If it is
//! false, the rule is excluded; if it is true, the rule is a candidate.

use rustc_hash::FxHashMap;

use super::interval::Interval;
use super::pattern;
use super::state::State;
use crate::plan::atom::{At, Const, Test};
use crate::plan::program::{NodeKind, Programs, Ref};
use crate::typed::{IsTest, TextOp};

/// A fact that an index can look up.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Access {
    /// The value is the constant with this hash.
    Equal(At, u64),
    /// Several values of one frame are these constants. The second field is the index of the best
    /// single one.
    Together(Vec<(At, u64)>, usize),
    /// The value is a number in an interval.
    Within(At, Interval),
    Prefix(At, Box<str>),
    Suffix(At, Box<str>),
    Contains(At, Box<str>),
    /// An access that is true for an element of a list, whose frames are in this group.
    Among(At, usize, Box<Access>),
    /// The value is in one of these states: present, or of a kind.
    Is(At, State),
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
pub(crate) struct Choice {
    pub(crate) likely: f64,
    pub(crate) accesses: Vec<Access>,
}

/// The number of rules that share a constant from which further constants are looked up together
/// with it.
const SHARED: u32 = 8;
/// The maximum number of values that are looked up together.
const TOGETHER: usize = 3;

/// How often the rules of a site use each constant. A constant that many rules use is assumed to be
/// common in events, too.
#[derive(Default)]
pub(crate) struct Counts {
    constants: FxHashMap<(At, u64), u32>,
    places: FxHashMap<At, u32>,
}

impl Counts {
    /// Counts the constants of a rule.
    pub(crate) fn add(&mut self, programs: &Programs, part: Ref) {
        match programs.node(part.node).map(|node| &node.kind) {
            Some(NodeKind::All(parts) | NodeKind::Any(parts)) => {
                parts.iter().for_each(|part| self.add(programs, *part));
            }
            Some(NodeKind::Test(Test::Equal(at, value))) if !part.negated => self.one(*at, value),
            Some(NodeKind::Test(Test::OneOf(at, list))) if !part.negated => {
                list.iter().for_each(|value| self.one(*at, value));
            }
            Some(NodeKind::Among(among)) if !part.negated => self.add(programs, among.part),
            _ => {}
        }
    }

    fn one(&mut self, at: At, value: &Const) {
        *self.constants.entry((at, value.hash())).or_default() += 1;
        *self.places.entry(at).or_default() += 1;
    }

    fn of(&self, at: At, hash: u64) -> u32 {
        self.constants.get(&(at, hash)).copied().unwrap_or(0)
    }

    fn likely(&self, at: At, hash: u64) -> f64 {
        let all = self.places.get(&at).copied().unwrap_or(0);
        // If there are few rules, their constants are assumed to be rare.
        (f64::from(self.of(at, hash)) + 0.5) / (f64::from(all) + 10.0)
    }

    /// The best accesses for a part that must be true; `None` if there is no access for it.
    pub(crate) fn choose(&self, programs: &Programs, part: Ref) -> Option<Choice> {
        match &programs.node(part.node)?.kind {
            NodeKind::All(parts) => self.of_all(programs, parts),
            // One access per branch.
            NodeKind::Any(parts) => {
                let mut all = Choice { likely: 0.0, accesses: Vec::new() };
                for part in parts {
                    let one = self.choose(programs, *part)?;
                    all.likely += one.likely;
                    all.accesses.extend(one.accesses);
                }
                Some(all)
            }
            NodeKind::Test(test) => self.of_test(test, part.negated),
            // If it is true for no element, the list is present.
            NodeKind::Among(among) if part.negated => {
                Some(Choice { likely: 0.9, accesses: vec![Access::Is(among.list, State::LIST)] })
            }
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

    /// The best accesses for parts that must all be true.
    pub(crate) fn of_all(&self, programs: &Programs, parts: &[Ref]) -> Option<Choice> {
        let mut best: Option<Choice> = None;
        let mut better = |choice: Choice| {
            if best.as_ref().is_none_or(|best| choice.likely < best.likely) {
                best = Some(choice);
            }
        };
        let mut equal: Vec<(At, u64)> = Vec::new();
        let mut within: Vec<(At, Interval)> = Vec::new();
        for part in parts {
            if let Some(NodeKind::Test(test)) = programs.node(part.node).map(|node| &node.kind) {
                match test {
                    Test::Equal(at, value) if !part.negated => equal.push((*at, value.hash())),
                    Test::Less(..) | Test::Greater(..) => {
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
            better(Choice {
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
    fn together(&self, mut equal: Vec<(At, u64)>) -> Option<Choice> {
        // Prefer the innermost frame, whose values change most often.
        let level = equal.iter().map(|(at, _)| at.level).max()?;
        equal.retain(|(at, _)| at.level == level);
        equal.sort_by(|a, b| self.likely(a.0, a.1).total_cmp(&self.likely(b.0, b.1)));
        equal.dedup_by_key(|(at, _)| *at);
        equal.truncate(TOGETHER);
        let (at, hash) = *equal.first()?;
        if equal.len() < 2 || self.of(at, hash) <= SHARED {
            return None;
        }
        let likely = equal.iter().map(|(at, hash)| self.likely(*at, *hash)).product();
        equal.sort_by_key(|(at, _)| at.slot);
        let best = equal.iter().position(|(other, _)| *other == at)?;
        Some(Choice { likely, accesses: vec![Access::Together(equal, best)] })
    }

    fn of_test(&self, test: &Test, negated: bool) -> Option<Choice> {
        let one = |likely, access| Some(Choice { likely, accesses: vec![access] });
        // A value that is compared with `!=` must be present and of the constant's kind.
        let of_kind = |at: At, state: State| one(0.7, Access::Is(at, state));
        let text = |at, literal: &str, access: fn(At, Box<str>) -> Access| {
            one(pattern::likely(literal), access(at, literal.into()))
        };
        match (test, negated) {
            (Test::Equal(at, value), false) => {
                let hash = value.hash();
                one(self.likely(*at, hash), Access::Equal(*at, hash))
            }
            (Test::Equal(at, value), true) => of_kind(*at, State::of_const(value)),
            (Test::OneOf(at, list), false) => {
                let mut all = Choice { likely: 0.0, accesses: Vec::new() };
                for value in list {
                    all.likely += self.likely(*at, value.hash());
                    all.accesses.push(Access::Equal(*at, value.hash()));
                }
                Some(all)
            }
            (Test::OneOf(at, list), true) => {
                // Nothing is in an empty list, so any value is possible.
                let kinds = list.iter().map(State::of_const).fold(State::NONE, State::or);
                let kinds = if list.is_empty() { State::PRESENT } else { kinds };
                of_kind(*at, kinds)
            }
            (Test::Less(..) | Test::Greater(..), _) => {
                let (at, interval) = interval(test, negated)?;
                one(interval.likely(), Access::Within(at, interval))
            }
            (Test::Text(at, TextOp::StartsWith, literal), false) if !literal.is_empty() => {
                text(*at, literal, Access::Prefix)
            }
            (Test::Text(at, TextOp::EndsWith, literal), false) if !literal.is_empty() => {
                text(*at, literal, Access::Suffix)
            }
            (Test::Text(at, TextOp::Contains, literal), false) if !literal.is_empty() => {
                text(*at, literal, Access::Contains)
            }
            (Test::Pattern(at, pattern), false) => {
                let Some(literals) = pattern::literals(pattern) else {
                    return of_kind(*at, State::TEXT);
                };
                let mut all = Choice { likely: 0.0, accesses: Vec::new() };
                for literal in literals {
                    all.likely += literal.likely();
                    all.accesses.push(literal.access(*at));
                }
                Some(all)
            }
            (Test::Text(at, ..) | Test::Pattern(at, _), _) => of_kind(*at, State::TEXT),
            (Test::Is(at, test), negated) => {
                let state = State::of_test(*test, negated);
                let likely = if *test == IsTest::Missing && !negated { 0.4 } else { 0.8 };
                one(likely, Access::Is(*at, state))
            }
            (Test::Expr(..), _) => None,
        }
    }
}

fn interval(test: &Test, negated: bool) -> Option<(At, Interval)> {
    Some(match test {
        Test::Less(at, than) if negated => (*at, Interval::from(**than, true)),
        Test::Less(at, than) => (*at, Interval::to(**than, false)),
        Test::Greater(at, than) if negated => (*at, Interval::to(**than, true)),
        Test::Greater(at, than) => (*at, Interval::from(**than, false)),
        _ => return None,
    })
}
