//! Checks the findings of the lints against the behaviour of the rules, with generated rules and events.
//!
//! `FUSE_TEST_PAIRS` sets the number of pairs of a rule and an event, and `FUSE_TEST_SEED` the seed of the generator.
//! Ten million pairs take half an hour in an optimized build.

mod bodies;
mod claim;
mod generate;
mod missing;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::load;
use crate::analysis::{Analysis, Placed, Witness};
use crate::decision::{Decision, Evaluation};
use crate::diagnostic::{Fix, Topic};
use crate::eval::tests::many::Random;
use crate::event::Event;
use crate::flow::{Admission, FlowStates};
use crate::fuses::Fuses;
use crate::lint::Lint;
use crate::lint::{Level, Lints, TemplateFile};
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::{Action, Outcome};
use bodies::{body, changed};
use claim::{Claim, claims};
use generate::Set;

/// A finding of a lint.
#[derive(Debug)]
struct Finding {
    lint: &'static Lint,
    message: String,
    span: Span,
    label: String,
    /// The related spans with their labels.
    related: Vec<(Span, String)>,
    help: String,
    fix: Option<Box<Fix>>,
}

/// The findings of all lints.
fn findings(ruleset: &Ruleset) -> Vec<Finding> {
    let templates = TemplateFile::read("templates.yaml", generate::TEMPLATES).unwrap();
    let problems = Lints::all_at(Level::Warn).templates(vec![templates]).run(ruleset);
    let found = problems.iter().map(|problem| {
        let Topic::Lint(lint) = problem.topic else { panic!("{problem:?}") };
        let label = problem.label.as_ref().unwrap();
        Finding {
            lint,
            message: problem.message.clone(),
            span: label.span,
            label: label.text.clone(),
            related: problem.related.iter().map(|label| (label.span, label.text.clone())).collect(),
            help: problem.help.clone().unwrap_or_default(),
            fix: problem.fix.clone(),
        }
    });
    found.collect()
}

/// Events that the analysis finds for the rules. They are boundary cases of the conditions.
fn edges(ruleset: &Ruleset) -> Vec<Witness> {
    let mut analysis = Analysis::new(ruleset.typed());
    let mut found = Vec::new();
    let sensors = &ruleset.typed().sensors;
    for sensor in sensors {
        for rule in &sensor.rules {
            let of = Placed { sensor, rule };
            for answer in [analysis.matching(of), analysis.failing(of)] {
                found.extend(answer.witness().cloned());
            }
        }
    }
    found
}

/// The elements for which a rule acts.
fn acting<'d>(decided: &'d Evaluation, rule: &str) -> Vec<(&'d [u32], &'d Decision)> {
    let own = decided.decisions.iter().filter(|d| d.rule == rule && d.outcome.holds());
    own.map(|decision| (decision.element.as_deref().unwrap_or_default(), decision)).collect()
}

/// An action: the name of the rule, the element, and the action itself.
type Act<'d> = (&'d str, Option<&'d [u32]>, Option<&'d Action>);

/// The actions of all rules.
fn acts(decided: &Evaluation) -> Vec<Act<'_>> {
    let acting = decided.decisions.iter().filter(|decision| decision.outcome.holds());
    acting.map(|d| (d.rule.as_str(), d.element.as_deref(), d.action.as_ref())).collect()
}

/// What happened so far, by the index of the claim.
#[derive(Default)]
struct Seen {
    /// The keys of a clause of flow control that occurred.
    keys: BTreeMap<usize, BTreeSet<Vec<String>>>,
    /// The states of flow control, and the time in minutes.
    states: BTreeMap<usize, (FlowStates, i64)>,
}

/// Fails if an event refutes a claim.
fn hold(
    (number, claim, finding): (usize, &Claim, &Finding),
    event: &Event<'_>,
    decided: &Evaluation,
    fuses: &Fuses,
    seen: &mut Seen,
    text: &str,
) {
    let shown = || format!("{finding:?}\n{} {event:?}\n{text}", event.body());
    // For events outside the declared type, only the claims about keys and texts hold.
    let is_typed = decided.mismatch.is_none();
    match claim {
        Claim::Never { rule } if is_typed => {
            assert!(acting(decided, rule).is_empty(), "{rule} acts: {}", shown());
        }
        Claim::NeverCancels { rule } if is_typed => {
            let cancels = decided.cancels.iter().any(|one| one.rule == *rule);
            assert!(!cancels, "{rule} is cancelled: {}", shown());
        }
        Claim::Always { rule, depth } if is_typed => {
            for decision in decided.decisions.iter().filter(|decision| decision.rule == *rule) {
                let is_asked = decision.element.as_deref().unwrap_or_default().len() == *depth;
                assert!(decision.outcome.holds() || !is_asked, "{decision:?}: {}", shown());
            }
        }
        Claim::Implied { rule, by } if is_typed => {
            let others = acting(decided, by);
            let own = acting(decided, rule);
            for (path, decision) in own.iter().filter(|(_, own)| own.outcome != Outcome::Gated) {
                let does = |of: &Decision| {
                    let action = of.action.as_ref();
                    (action.map(|a| (a.trigger.clone(), a.fields.clone())), of.flow.clone())
                };
                let other = others
                    .iter()
                    .any(|(other, by)| path.starts_with(other) && does(by) == does(decision));
                assert!(other, "{rule} acts alone at {path:?}: {}", shown());
            }
        }
        Claim::Same { plan, of_lines }
            if is_typed && (*of_lines || !event.body().contains("\\n")) =>
        {
            let changed = plan.evaluate_all(event, fuses);
            assert_eq!(acts(decided), acts(&changed), "{}", shown());
        }
        Claim::Helps { plan } => {
            let without = plan.evaluate_all(event, fuses);
            for decision in without.decisions.iter().filter(|decision| decision.outcome.holds()) {
                let mut own = acting(decided, &decision.rule).into_iter();
                let is_same = |at: &[u32]| at == decision.element.as_deref().unwrap_or_default();
                assert!(own.any(|(at, _)| is_same(at)), "{decision:?}: {}", shown());
            }
        }
        Claim::OneKey { rule, clause } => {
            let seen = seen.keys.entry(number).or_default();
            let asked = acting(decided, rule).into_iter().flat_map(|(_, d)| d.flow.clone());
            seen.extend(asked.filter(|one| clause.asks(one)).map(|request| request.values));
            assert!(seen.len() < 2, "{seen:?}: {}", shown());
        }
        Claim::OwnKey { rule, clause } => {
            let id = format!("{:?}", event.field("id").unwrap_or_default());
            for (_, decision) in acting(decided, rule) {
                let mut asked = decision.flow.iter().filter(|one| clause.asks(one));
                assert!(asked.all(|request| request.values.contains(&id)), "{}", shown());
            }
        }
        Claim::NeverReached { rule, clause } => {
            let (states, minutes) = seen.states.entry(number).or_default();
            for (_, decision) in acting(decided, rule) {
                *minutes += (event.body().len() % 40) as i64;
                let owner = format!("{minutes} {}", states.iter().count());
                let now = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(*minutes);
                let Some(occurrence) = decision.occurrence(&owner, "it", now) else { continue };
                if let Admission::Counted { by, why } | Admission::Suppressed { by, why } =
                    states.admit(&occurrence, now.into())
                {
                    assert!(!clause.asks(&occurrence.requests[by]), "{why}: {}", shown());
                }
            }
        }
        _ => {}
    }
}

#[test]
fn no_finding_is_false() {
    let pairs: usize =
        std::env::var("FUSE_TEST_PAIRS").map_or(4_000, |pairs| pairs.parse().unwrap());
    let seed = std::env::var("FUSE_TEST_SEED").map_or(7, |seed| seed.parse().unwrap());
    let mut random = Random::new(seed);
    let (mut compared, mut taken, mut sets) = (0, 0, 0);
    let mut raised: BTreeMap<&'static str, usize> = BTreeMap::new();
    while compared < pairs {
        let set = Set::new(&mut random, sets, 10);
        sets += 1;
        let text = &set.text;
        let ruleset = load(text);
        let plan = ruleset.plan();
        let found = findings(&ruleset);
        let lints: BTreeSet<&str> = found.iter().map(|finding| finding.lint.name()).collect();
        lints.into_iter().for_each(|lint| *raised.entry(lint).or_default() += 1);
        let claims: Vec<(Claim, &Finding)> = found
            .iter()
            .flat_map(|finding| {
                claims(text, finding).into_iter().map(move |claim| (claim, finding))
            })
            .collect();
        let mut seen = Seen::default();
        let rules = ruleset.rules().count();
        let mut look = |event: &Event<'_>, gate: bool| {
            compared += rules;
            // The findings are about requests that meet the conditions of the event.
            let arrived = plan.arrive(event.clone()).ok().flatten();
            if arrived.is_none_or(|arrived| arrived.event().name() != event.name()) {
                return;
            }
            taken += rules;
            let fuses = Fuses::default().set("gate", gate);
            let decided = plan.evaluate_all(event, &fuses);
            if decided.refused.is_none() {
                for (number, (claim, finding)) in claims.iter().enumerate() {
                    let claim = (number, claim, *finding);
                    hold(claim, event, &decided, &fuses, &mut seen, text);
                }
            }
        };
        for witness in edges(&ruleset) {
            witness.event(witness.name.as_pair(), |event| look(event, true)).unwrap();
            for _ in 0..2 {
                let mut witness = witness.clone();
                let body = changed(&mut random, &witness.text().unwrap());
                witness.body = crate::value::Value::read_lenient(&body).into_owned();
                witness.event(witness.name.as_pair(), |event| look(event, true)).unwrap();
            }
        }
        for number in 0..60 {
            let (source, name, body) = body(&mut random, set.ty);
            let event = Event::new(source, name, body.as_bytes()).unwrap();
            let event = event.id(number.to_string()).query("page", "1");
            let kind = random.pick(&["prod", "dev", "push", "push", ""]);
            let event = event.path_parameter("tenant", random.pick(&["acme", "prod", "x"]));
            look(&event.header("X-Kind", kind), number % 4 > 0);
        }
    }
    println!("{compared} pairs of {sets} sets, {taken} taken: {raised:#?}");
    assert!(taken * 2 > compared, "most events must be taken: {taken} of {compared}");
    for lint in Lint::all() {
        let count = raised.get(lint.name()).copied().unwrap_or_default();
        // A small number of rule sets is not representative.
        assert!(
            sets < 100 || count * 100 >= sets,
            "{lint} hardly ever finds anything: {count} of {sets}"
        );
    }
}
