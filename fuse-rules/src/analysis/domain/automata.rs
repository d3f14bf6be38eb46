//! Decides whether some text passes a set of tests, by running the automata of the tests in
//! parallel.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::util::primitives::StateID;
use regex_automata::{Anchored, MatchKind, util::start, util::syntax};
use rustc_hash::FxHashMap;

use super::{Pick, StringTest};

/// The maximum size of one automaton, and of the memory to build it.
const MAX_AUTOMATON_BYTES: usize = 1 << 20;
/// The maximum total size of all cached automata.
const MAX_CACHED_BYTES: usize = 64 << 20;
/// How many product states the search visits.
const MAX_VISITED_STATES: usize = 20_000;

type Dfa = dense::DFA<Vec<u32>>;

/// The automata of the patterns that were used so far.
#[derive(Debug, Default)]
pub(crate) struct Automata {
    /// By pattern; `None` if the automaton would exceed the size limit.
    known: FxHashMap<String, Option<Arc<Dfa>>>,
    answers: FxHashMap<String, Pick<String>>,
    kept: usize,
}

impl Automata {
    /// A shortest text that passes the tests and is not excluded. Tests that are not regular are
    /// ignored, so the text may fail them.
    pub(super) fn pick(
        &mut self,
        but: &BTreeSet<Arc<str>>,
        tests: &[(StringTest, bool)],
    ) -> Pick<String> {
        // It must be valid UTF-8, because the complement of a pattern contains arbitrary bytes.
        let mut parts = vec![(r"\A(?s:.*)\z".to_owned(), true)];
        parts.extend(tests.iter().filter_map(|(test, passes)| Some((test.regex()?, *passes))));
        if !but.is_empty() {
            let texts: Vec<String> = but.iter().map(|text| regex::escape(text)).collect();
            parts.push((format!(r"\A(?:{})\z", texts.join("|")), false));
        }
        parts.sort();
        let key = parts.iter().map(|(regex, passes)| format!("{passes}{regex}\0")).collect();
        if let Some(known) = self.answers.get(&key) {
            return known.clone();
        }
        let made: Option<Vec<_>> =
            parts.iter().map(|(regex, passes)| Some((self.dfa(regex)?, *passes))).collect();
        let answer = made.map_or(Pick::Unsure, |dfas| walk(&dfas));
        self.answers.insert(key, answer.clone());
        answer
    }

    fn dfa(&mut self, regex: &str) -> Option<Arc<Dfa>> {
        if let Some(known) = self.known.get(regex) {
            return known.clone();
        }
        let config = dense::Config::new()
            .start_kind(StartKind::Anchored)
            .match_kind(MatchKind::All)
            .dfa_size_limit(Some(MAX_AUTOMATON_BYTES))
            .determinize_size_limit(Some(MAX_AUTOMATON_BYTES));
        let built = dense::Builder::new()
            .configure(config)
            .syntax(syntax::Config::new())
            .build(regex)
            .ok()
            .map(Arc::new);
        let size = regex.len() + built.as_ref().map_or(0, |dfa| dfa.memory_usage());
        if self.kept + size > MAX_CACHED_BYTES {
            self.known.clear();
            self.kept = 0;
        }
        self.kept += size;
        self.known.insert(regex.to_owned(), built.clone());
        built
    }
}

/// Bytes in order of preference for generated texts.
fn bytes() -> impl Iterator<Item = u8> {
    let plain = (b'a'..=b'z').chain(b'0'..=b'9').chain(*b"-._/ ").chain(b'A'..=b'Z');
    plain.chain(0..=u8::MAX)
}

/// One byte of each class that the automata distinguish.
fn alphabet(dfas: &[(Arc<Dfa>, bool)]) -> Vec<u8> {
    let mut seen = BTreeSet::new();
    let class =
        |byte| -> Vec<u8> { dfas.iter().map(|(dfa, _)| dfa.byte_classes().get(byte)).collect() };
    bytes().filter(|byte| seen.insert(class(*byte))).collect()
}

/// Breadth first, so that the text is short.
fn walk(dfas: &[(Arc<Dfa>, bool)]) -> Pick<String> {
    let starts = dfas
        .iter()
        .map(|(dfa, _)| dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).ok());
    let Some(first) = starts.collect::<Option<Vec<StateID>>>() else { return Pick::Unsure };
    let alphabet = alphabet(dfas);
    let mut seen = FxHashMap::from_iter([(first.clone(), 0_usize)]);
    // For each state, the previous state and the byte that leads from it.
    let mut predecessors: Vec<(usize, u8)> = vec![(0, 0)];
    let mut queue = VecDeque::from([(0_usize, first)]);
    while let Some((at, states)) = queue.pop_front() {
        let passes = |((dfa, wanted), state): (&(Arc<Dfa>, bool), &StateID)| {
            dfa.is_match_state(dfa.next_eoi_state(*state)) == *wanted
        };
        if dfas.iter().zip(&states).all(passes) {
            return spelled(&predecessors, at);
        }
        for byte in &alphabet {
            let next: Vec<StateID> = dfas
                .iter()
                .zip(&states)
                .map(|((dfa, _), state)| dfa.next_state(*state, *byte))
                .collect();
            let mut steps = dfas.iter().zip(&next);
            if steps.clone().any(|((dfa, _), state)| dfa.is_quit_state(*state)) {
                return Pick::Unsure;
            }
            if steps.any(|((dfa, wanted), state)| *wanted && dfa.is_dead_state(*state)) {
                continue;
            }
            if seen.contains_key(&next) {
                continue;
            }
            if seen.len() >= MAX_VISITED_STATES {
                return Pick::Unsure;
            }
            seen.insert(next.clone(), predecessors.len());
            queue.push_back((predecessors.len(), next));
            predecessors.push((at, *byte));
        }
    }
    Pick::None
}

/// The text whose bytes lead to a state.
fn spelled(predecessors: &[(usize, u8)], mut at: usize) -> Pick<String> {
    let mut bytes = Vec::new();
    while let (true, Some((before, byte))) = (at != 0, predecessors.get(at)) {
        bytes.push(*byte);
        at = *before;
    }
    bytes.reverse();
    String::from_utf8(bytes).map_or(Pick::Unsure, Pick::One)
}
