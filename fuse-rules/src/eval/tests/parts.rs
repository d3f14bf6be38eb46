//! Laws of explanations: each part has the truth that the reference computes for it, and the parts
//! that are marked as deciding are exactly those that decide.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::generate::{body, condition};
use super::{event, registry};
use crate::decision::Decision;
use crate::decision::Outcome;
use crate::eval::{Form, Part};
use crate::fuses::Fuses;
use crate::reference::{self, World};
use crate::ruleset::Ruleset;
use crate::typed::{Each, Expr, ExprKind, Rule, Rules, Sensor};

/// Decides single parts of a rule's condition with the reference.
struct Obvious<'r> {
    rules: &'r Rules,
    sensor: &'r Sensor,
    rule: &'r Rule,
    world: World<'r>,
}

impl Obvious<'_> {
    /// The reference's truth of a condition, for the elements with these indices of these lists:
    /// the condition of a rule that has the lists, at most two, as its `each`.
    fn decide(&self, expr: &Expr, lists: &[Each], element: &[u32]) -> Option<Decision> {
        let (outer, inner) = match lists {
            [] => (None, None),
            [one] => (Some(one.clone()), None),
            [one, two] => (Some(one.clone()), Some(two.clone())),
            _ => return None,
        };
        let named = |name: &str| name.to_owned();
        let (sensor, rule) = (self.sensor, self.rule);
        let rule = Rule {
            name: named(&rule.name),
            span: rule.span,
            doc: None,
            requires: Vec::new(),
            gates: Vec::new(),
            each: inner,
            lets: Vec::new(),
            when: vec![expr.clone()],
            flow: Vec::new(),
            is_shadow: false,
            triggers: rule.triggers.clone(),
            reactions: Vec::new(),
            response: None,
            cancels: false,
        };
        let sensor = Sensor {
            name: named(&sensor.name),
            span: sensor.span,
            doc: None,
            events: sensor.events.clone(),
            each: outer,
            lets: Vec::new(),
            when: Vec::new(),
            flow: Vec::new(),
            rules: Vec::new(),
        };
        let element = (!element.is_empty()).then(|| element.to_vec());
        let decided = reference::decide(self.rules, &sensor, &rule, &self.world, &Fuses::default());
        Some(decided.into_iter().find(|decision| decision.element == element).unwrap())
    }

    /// Compares each part with the reference's truth of its expression.
    fn agrees(&self, part: &Part, expr: &Expr, lists: &mut Vec<Each>, element: &mut Vec<u32>) {
        if let Some(decision) = self.decide(expr, lists, element) {
            let truth = match decision.outcome {
                Outcome::Fired => Some(true),
                Outcome::NotMatched => Some(false),
                _ => None,
            };
            assert_eq!(part.truth, truth, "{part:?}");
            let reason = truth.is_none().then_some(decision.reason);
            assert_eq!(part.reason, reason, "{part:?}");
        }
        match &expr.kind {
            _ if part.form == Form::Call => self.agrees(&part.parts[0], expr, lists, element),
            ExprKind::And(parts) if parts.len() == 1 => {
                self.agrees(part, &parts[0], lists, element);
            }
            ExprKind::Quantifier { name, list, body, .. } if part.form.is_quantifier() => {
                lists.push(Each { name: name.to_string(), list: (**list).clone(), max: 1_000 });
                for part in &part.parts {
                    let index = part.element.as_ref().unwrap().rsplit(' ').next().unwrap();
                    element.push(index.parse().unwrap());
                    self.agrees(part, body, lists, element);
                    element.pop();
                }
                lists.pop();
            }
            ExprKind::Not(inner) => {
                assert_eq!((part.form, part.parts.len()), (Form::Not, 1));
                self.agrees(&part.parts[0], inner, lists, element);
            }
            ExprKind::If { condition, chosen, otherwise } => {
                assert_eq!(part.form, Form::If);
                self.agrees(&part.parts[0], condition, lists, element);
                let branch =
                    part.parts[0].truth.map(|holds| if holds { chosen } else { otherwise });
                assert_eq!(part.parts.len(), 1 + branch.iter().count());
                if let Some(branch) = branch {
                    self.agrees(&part.parts[1], branch, lists, element);
                }
            }
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                assert_eq!(parts.len(), part.parts.len());
                for (part, expr) in part.parts.iter().zip(parts) {
                    self.agrees(part, expr, lists, element);
                }
            }
            _ => assert!(part.form == Form::Test && part.parts.is_empty()),
        }
    }
}

/// Whether a part is opaque: all of its parts are needed to decide it, and some are left out.
fn is_whole(part: &Part) -> bool {
    part.parts.is_empty() || part.left_out > 0 && part.form.deciders(part.truth).1 > 1
}

/// The truth of a part if the opaque parts have the truth that `leaf` returns.
fn combined(part: &Part, leaf: &dyn Fn(&Part) -> Option<bool>) -> Option<bool> {
    if is_whole(part) {
        return leaf(part);
    }
    // The parts that are left out can have any truth.
    let rest = (part.left_out > 0).then_some(None);
    let truths: Vec<_> = part.parts.iter().map(|part| combined(part, leaf)).chain(rest).collect();
    let any = |truth| match (truths.contains(&Some(truth)), truths.contains(&None)) {
        (true, _) => Some(truth),
        (false, true) => None,
        (false, false) => Some(!truth),
    };
    match part.form {
        Form::Not => truths[0].map(|truth| !truth),
        Form::Test | Form::Call => truths[0],
        // Once its condition is known, a branch decides.
        Form::If => truths[0].and(truths.get(1).copied().unwrap_or(truths[0])),
        Form::And | Form::All => any(false),
        Form::Or | Form::Any => any(true),
        Form::None => any(true).map(|truth| !truth),
    }
}

/// The smallest parts that are marked as deciding.
fn deciding<'p>(part: &'p Part, into: &mut Vec<&'p Part>) {
    if is_whole(part) {
        return into.push(part);
    }
    part.parts.iter().filter(|part| part.deciding).for_each(|part| deciding(part, into));
}

fn marks_decide(condition: &Part) {
    assert!(condition.deciding);
    let mut smallest = Vec::new();
    deciding(condition, &mut smallest);
    if condition.truth.is_some() {
        let known = |part: &Part| part.truth.filter(|_| part.deciding);
        assert_eq!(
            combined(condition, &known),
            condition.truth,
            "the others matter: {condition:?}"
        );
        for one in smallest {
            let without = |part: &Part| known(part).filter(|_| !std::ptr::eq(part, one));
            assert!(combined(condition, &without).is_none(), "not needed: {one:?}");
        }
    } else {
        for truth in [true, false] {
            let set = |part: &Part| if part.deciding { Some(truth) } else { part.truth };
            assert!(combined(condition, &set).is_some(), "others are unknown too: {condition:?}");
        }
        for one in smallest {
            assert_eq!(one.truth, None);
        }
    }
}

fn law(rules: &str, body: &str) {
    let Ok(ruleset) = Ruleset::parse("test.rules", rules, &registry()) else { return };
    let event = event(body);
    let explanation = ruleset.plan().explain(&event, &Fuses::default());
    if explanation.refused.is_some() {
        return;
    }
    let rules = ruleset.typed();
    let sensor = &rules.sensors[0];
    let rule = &sensor.rules[0];
    let obvious = Obvious { rules, sensor, rule, world: World::new(&event, None) };
    for explained in &explanation.decisions {
        for (part, expr) in explained.conditions.iter().zip(&rule.when) {
            obvious.agrees(part, expr, &mut Vec::new(), &mut Vec::new());
            assert_eq!(combined(part, &|part| part.truth), part.truth, "{part:?}");
            if part.deciding {
                marks_decide(part);
            }
        }
        let marks: Vec<_> =
            explained.conditions.iter().map(|part| (part.truth, part.deciding)).collect();
        let marked: Vec<_> = marks.iter().filter(|(_, deciding)| *deciding).collect();
        match explained.decision.outcome {
            Outcome::NotMatched => assert_eq!(marked, [&(Some(false), true)]),
            Outcome::Unknown => {
                assert!(marks.iter().all(|(truth, deciding)| truth.is_none() == *deciding));
                assert!(!marked.is_empty());
            }
            _ => assert!(marks.iter().all(|mark| *mark == (Some(true), true))),
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 400, ..Config::default() })]

    #[test]
    fn parts_agree_with_the_reference_and_marks_decide(
        conditions in prop::collection::vec(condition(vec!["body".into()], 3), 1..3),
        bodies in prop::collection::vec(body(), 4),
    ) {
        let whens: String = conditions.iter().map(|one| format!("when {one}\n")).collect();
        let rules = format!("source q queue {{ event e }}\nsensor s on q.e {{ rule r {{ {whens} trigger note {{}} }} }}");
        for body in bodies {
            law(&rules, &body);
        }
    }

    #[test]
    fn so_do_those_of_named_conditions(
        named in condition(vec!["one".into(), "two".into()], 2),
        around in prop::sample::select(&["{}", "not {}", "any(k in body.list: {} or k.a == 1)", "{} and body.a is present"][..]),
        bodies in prop::collection::vec(body(), 4),
    ) {
        let when = around.replace("{}", "named(body, body.list[0])");
        let rules = format!(
            "source q queue {{ event e }}\ncondition named(one, two) = {named}\nsensor s on q.e {{ rule r {{ when {when}\n trigger note {{}} }} }}"
        );
        for body in bodies {
            law(&rules, &body);
        }
    }
}
