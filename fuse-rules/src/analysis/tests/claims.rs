//! Checks every claim against evaluation, with random events and with witnesses.
//!
//! `FUSE_TEST_PAIRS` is the number of pairs of a rule and an event to compare.

use std::collections::BTreeMap;

use super::generate::{TYPES, body, rules};
use super::proofs::Proofs;
use super::*;
use crate::analysis::clauses::stand_inside;
use crate::analysis::{Clause, ClauseFinding, query};
use crate::eval::tests::many::Random;
use crate::eval::tests::{event, load};
use crate::event::Event;
use crate::fuses::Fuses;
use crate::reference::{self, WorkBudget, World};
use crate::typed::{Each, Expr, ExprKind};
use crate::value::Value;
use crate::{Outcome, types::Ty};

/// The claims about the rules of one set.
struct Claims<'r> {
    placed: Vec<Placed<'r>>,
    matching: Vec<Answer>,
    failing: Vec<Answer>,
    clauses: Vec<Vec<Clause>>,
    meeting: Vec<(usize, usize, Answer)>,
    separating: Vec<(usize, usize, Answer)>,
    proofs: Vec<Proofs<'r>>,
}

impl<'r> Claims<'r> {
    fn new(rules: &'r Rules) -> Self {
        let placed = placed(rules);
        let mut analysis = Analysis::new(rules);
        let all = 0..placed.len();
        let pairs = || all.clone().flat_map(|a| all.clone().map(move |b| (a, b)));
        let matching = placed.iter().map(|target| analysis.matching(*target)).collect();
        let failing = placed.iter().map(|target| analysis.failing(*target)).collect();
        let clauses = placed.iter().map(|target| analysis.rule_clauses(*target)).collect();
        let meeting = pairs().filter(|(a, b)| a < b);
        let meeting =
            meeting.map(|(a, b)| (a, b, analysis.meeting(placed[a], placed[b]))).collect();
        let separating = pairs().filter(|(a, b)| a != b);
        let separating =
            separating.map(|(a, b)| (a, b, analysis.separating(placed[a], placed[b]))).collect();
        let proofs = placed.iter().map(|target| Proofs::new(&mut analysis, *target)).collect();
        Self { placed, matching, failing, clauses, meeting, separating, proofs }
    }

    fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        let pairs = self.meeting.iter().chain(&self.separating).map(|(_, _, answer)| answer);
        self.matching.iter().chain(&self.failing).chain(pairs).filter_map(Answer::witness)
    }

    /// Counts the claims.
    fn count(&self, counts: &mut BTreeMap<&'static str, usize>) {
        let mut add = |what: [&'static str; 4], answer: &Answer| {
            let at = match answer {
                Answer::Never(Events::Any) => 0,
                Answer::Never(Events::Typed) => 1,
                Answer::Found(_) => 2,
                Answer::Unknown => 3,
            };
            *counts.entry(what[at]).or_default() += 1;
        };
        for answer in &self.matching {
            add(
                ["never matches", "never matches, typed", "match found", "match not known"],
                answer,
            );
        }
        for answer in &self.failing {
            add(
                ["always matches", "always matches, typed", "failure found", "failure not known"],
                answer,
            );
        }
        for (_, _, answer) in &self.meeting {
            add(["never both", "never both, typed", "both found", "both not known"], answer);
        }
        for (_, _, answer) in &self.separating {
            add(["implies", "implies, typed", "difference found", "difference not known"], answer);
        }
        self.proofs.iter().for_each(|proofs| proofs.count(counts));
        for clause in self.clauses.iter().flatten() {
            *counts
                .entry(match clause.finding {
                    ClauseFinding::Redundant => "idle clause",
                    ClauseFinding::Impossible => "impossible clause",
                    ClauseFinding::ImpossiblePart => "vain alternative",
                    ClauseFinding::Covered => "covered alternative",
                })
                .or_default() += 1;
        }
    }

    /// Fails if an event refutes a claim.
    /// A rule of a sensor that does not listen to the event has no claims about it.
    fn hold(&self, event: &Event<'_>, is_typed: bool, details: &str) {
        let world = &World::new(event, None);
        let listens = |placed: &Placed<'_>| placed.sensor.listens_to(event.source(), event.name());
        let claims_for = |answer: &Answer| match answer {
            Answer::Never(Events::Any) => true,
            Answer::Never(Events::Typed) => is_typed,
            _ => false,
        };
        let matches: Vec<_> = self
            .placed
            .iter()
            .map(|target| match listens(target) {
                true => query::matches(*target, world),
                false => Vec::new(),
            })
            .collect();
        for (at, placed) in self.placed.iter().enumerate().filter(|(_, placed)| listens(placed)) {
            let name = &placed.rule.name;
            let is_never = claims_for(&self.matching[at]) && !matches[at].is_empty();
            assert!(!is_never, "{name} never matches, but does\n{details}");
            let fails = query::fails(*placed, world);
            let is_always = claims_for(&self.failing[at]) && fails.is_some();
            assert!(!is_always, "{name} always matches, but does not at {fails:?}\n{details}");
            for clause in &self.clauses[at] {
                if clause.events == Events::Any || is_typed {
                    self.holds(*placed, clause, world, details);
                }
            }
        }
        let proofs = self.proofs.iter().filter(|proofs| is_typed && listens(&proofs.target));
        proofs.for_each(|proofs| proofs.hold(world, details));
        for (a, b, answer) in self.meeting.iter().filter(|(_, _, answer)| claims_for(answer)) {
            let both = matches[*a].iter().any(|path| {
                matches[*b].iter().any(|other| path.starts_with(other) || other.starts_with(path))
            });
            let names = [a, b].map(|at| &self.placed[*at].rule.name);
            assert!(!both, "{names:?} never match both, but do: {answer:?}\n{details}");
        }
        for (a, b, answer) in self.separating.iter().filter(|(_, _, answer)| claims_for(answer)) {
            let alone =
                matches[*a].iter().find(|path| !matches[*b].iter().any(|o| path.starts_with(o)));
            let names = [a, b].map(|at| &self.placed[*at].rule.name);
            assert!(
                alone.is_none(),
                "{names:?}: implied, but not at {alone:?}: {answer:?}\n{details}"
            );
        }
    }

    fn holds(&self, placed: Placed<'_>, clause: &Clause, world: &World<'_>, details: &str) {
        let eachs: Vec<&Each> = placed.eachs();
        let parts: Vec<(usize, &Expr)> = placed
            .whens()
            .flat_map(|when| parts(when.expr).into_iter().map(move |part| (when.around, part)))
            .collect();
        let own = parts.iter().rposition(|(_, part)| part.span == clause.span).unwrap();
        let before = |part: &&(usize, &Expr)| clause.because.contains(&part.1.span);
        for (path, elements) in reference::elements(world, &eachs) {
            let truth = |(around, part): (usize, &Expr)| {
                reference::truth(world, elements[..around].to_vec(), part) == Ok(true)
            };
            let others = parts.iter().filter(before).all(|part| truth(*part));
            match clause.finding {
                ClauseFinding::Redundant => {
                    assert!(!others || truth(parts[own]), "{clause:?} at {path:?}\n{details}")
                }
                ClauseFinding::Impossible | ClauseFinding::ImpossiblePart => {
                    assert!(!others || !truth(parts[own]), "{clause:?} at {path:?}\n{details}");
                }
                ClauseFinding::Covered => {
                    assert!(others || !truth(parts[own]), "{clause:?} at {path:?}\n{details}");
                }
            }
        }
    }
}

/// The parts that `and` joins; for an `or`, also the alternatives and their parts.
fn parts(when: &Expr) -> Vec<&Expr> {
    match &when.kind {
        // The parts of a named condition are not parts of the clause.
        ExprKind::And(inner) if stand_inside(when, inner) => inner.iter().flat_map(parts).collect(),
        ExprKind::Or(inner) if stand_inside(when, inner) => {
            let alternatives = inner.iter().flat_map(|one| [vec![one], parts(one)].concat());
            std::iter::once(when).chain(alternatives).collect()
        }
        _ => vec![when],
    }
}

/// Whether the rule fires for the event and element, according to the plan.
fn acts(ruleset: &Ruleset, target: Placed<'_>, witness: &Witness) -> bool {
    let acted = witness.event(witness.name.as_pair(), |event| {
        let decided = ruleset.plan().evaluate_all(event, &Fuses::default());
        decided.decisions.iter().any(|decision| {
            let path: Vec<u32> = decision.element.clone().unwrap_or_default().to_vec();
            decision.rule == target.rule.name
                && path == witness.element
                && !matches!(decision.outcome, Outcome::NotMatched | Outcome::Unknown)
        })
    });
    acted.unwrap()
}

#[test]
fn no_claim_is_false() {
    let pairs: usize =
        std::env::var("FUSE_TEST_PAIRS").map_or(3_000, |pairs| pairs.parse().unwrap());
    let seed = std::env::var("FUSE_TEST_SEED").map_or(11, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let (mut compared, mut taken, mut sets, mut conditional) = (0, 0, 0, 0);
    let mut counts = BTreeMap::new();
    while compared < pairs {
        let ty = TYPES[sets % TYPES.len()];
        sets += 1;
        let text = rules(&mut random, ty, 6);
        let ruleset = load(&text);
        let claims = Claims::new(ruleset.typed());
        claims.count(&mut counts);
        let ty: Option<&Ty> = ruleset.typed().sources[0].events[0].ty.as_ref();
        let is_typed =
            |body: &str| ty.is_none_or(|ty| ty.mismatch(&Value::read_lenient(body)).is_none());
        let declared = &ruleset.typed().sources[0].events;
        let is_taken = |event: &Event<'_>| {
            let world = World::new(event, None);
            let own = declared.iter().filter(|declared| declared.name == event.name());
            own.flat_map(|declared| &declared.when)
                .all(|when| reference::truth(&world, Vec::new(), when) == Ok(true))
        };
        conditional += usize::from(!declared[0].when.is_empty());
        for (target, answer) in claims.placed.iter().zip(&claims.matching) {
            if let Some(witness) = answer.witness() {
                let body = witness.text().unwrap();
                assert!(
                    witness.event(witness.name.as_pair(), is_taken).unwrap(),
                    "{body} does not meet the conditions of its event\n{text}"
                );
                assert!(is_typed(&body), "{body} is not of its type\n{text}");
                assert!(acts(&ruleset, *target, witness), "{body} does not match\n{text}");
            }
        }
        let mut look = |event: &Event<'_>| {
            compared += claims.placed.len();
            // The claims are about requests that meet the conditions of the event.
            if !is_taken(event) {
                return;
            }
            taken += claims.placed.len();
            let details = format!("{}\n{:?}\n{text}", event.body(), event);
            claims.hold(event, is_typed(event.body()), &details);
        };
        for witness in claims.witnesses() {
            witness.event(witness.name.as_pair(), &mut look).unwrap();
        }
        for _ in 0..30 {
            let name = random.pick(&["e", "e", "f"]);
            look(&event(&body(&mut random, ty_text(sets))).named(name));
        }
        for _ in 0..2 {
            let body = body(&mut random, ty_text(sets));
            let details = format!("{body}\n{text}");
            for target in &claims.placed {
                let changed = changed(&ruleset, *target, &event(&body), &mut counts, &details);
                let is_other = is_taken(&event(&body))
                    && changed.is_some_and(|to| to.event(("q", "e"), |to| !is_taken(to)).unwrap());
                assert!(!is_other, "the change turns it into another event: {details}");
            }
        }
    }
    println!(
        "{compared} pairs of {sets} sets: {taken} taken, {conditional} conditional, {counts:#?}"
    );
    assert!(taken * 2 > compared, "most events must be taken: {taken} of {compared}");
    assert!(conditional * 8 > sets, "events hardly ever have a condition: {conditional} of {sets}");
    for (what, count) in &counts {
        assert!(count * 100 >= sets, "{what} is hardly ever claimed: {count} of {sets}");
    }
}

/// The changed event matches, and its changes describe it. Returns it.
fn changed(
    ruleset: &Ruleset,
    target: Placed<'_>,
    event: &Event<'_>,
    counts: &mut BTreeMap<&'static str, usize>,
    details: &str,
) -> Option<Witness> {
    let mut analysis = Analysis::new(ruleset.typed());
    let placed = placed(ruleset.typed());
    let same = placed.iter().find(|other| other.rule.name == target.rule.name).unwrap();
    let matched = !query::matches(target, &World::new(event, None)).is_empty();
    let Some(counterfactual) = analysis.counterfactual(*same, event, &WorkBudget::new(u64::MAX))
    else {
        assert!(
            !matched || event.body().contains("999") || event.body().contains("\\u"),
            "{details}"
        );
        *counts.entry("no change found").or_default() += 1;
        return None;
    };
    assert_eq!(counterfactual.changes.is_empty(), matched, "{counterfactual:?}\n{details}");
    *counts
        .entry(match counterfactual.changes.len() {
            0 => "no change needed",
            1 => "one change found",
            _ => "changes found",
        })
        .or_default() += 1;
    assert!(
        acts(ruleset, target, &counterfactual.event),
        "does not match: {counterfactual:?}\n{details}"
    );
    let ty = ruleset.typed().sources[0].events[0].ty.as_ref();
    if ty.is_some_and(|ty| ty.mismatch(&Value::read_lenient(event.body())).is_none()) {
        assert_eq!(ty.and_then(|ty| ty.mismatch(&counterfactual.event.body)), None, "{details}");
    }
    // The same holds for the result of a small budget.
    if let Some(counterfactual) = analysis.counterfactual(*same, event, &WorkBudget::new(1_000)) {
        assert!(
            acts(ruleset, target, &counterfactual.event),
            "does not match: {counterfactual:?}\n{details}"
        );
    }
    // Only the listed values were changed.
    let before = Witness::from_event(event);
    let only_headers = counterfactual.changes.iter().all(|c| !c.path.starts_with("body"));
    assert_eq!(
        counterfactual.event.body == before.body,
        only_headers,
        "{counterfactual:?}\n{details}"
    );
    Some(counterfactual.event)
}

fn ty_text(sets: usize) -> &'static str {
    TYPES[(sets - 1) % TYPES.len()]
}
