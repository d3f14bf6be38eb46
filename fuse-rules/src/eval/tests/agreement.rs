//! The plan and the reference agree on generated rules and events; and the laws of evaluation.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::generate::{body, rules};
use super::shares::assert_varied;
use super::{decide, event, registry};
use crate::decision::Outcome;
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;

proptest! {
    #![proptest_config(Config { cases: 1_000, ..Config::default() })]

    #[test]
    fn the_plan_and_the_reference_agree(text in rules(), bodies in prop::collection::vec(body(), 4), on in any::<bool>()) {
        // Skip rules that do not check. An assertion below ensures that most do.
        if let Ok(ruleset) = Ruleset::parse("test.rules", &text, &registry()) {
            for body in bodies {
                // `decide` compares everything, including reasons.
                decide(&ruleset, &event(&body), &Fuses::default().set("gate", on));
            }
        }
    }

    #[test]
    fn the_spelling_of_an_event_does_not_matter(text in rules(), body in body()) {
        if let Ok(ruleset) = Ruleset::parse("test.rules", &text, &registry()) {
            let fuses = Fuses::default().set("gate", true);
            let spaced = body.replace(": ", " :\n\t").replace(", ", " , ").replace("\"a\"", "\"\\u0061\"");
            let plain = decide(&ruleset, &event(&body), &fuses);
            let spaced = decide(&ruleset, &event(&spaced), &fuses);
            if plain.refused.is_some() {
                // Their reasons contain positions.
                prop_assert!(spaced.refused.is_some());
            } else {
                prop_assert_eq!(plain, spaced);
            }
        }
    }
}

/// The agreement would mean little if almost nothing was decided.
#[test]
fn what_is_generated_is_worth_comparing() {
    let mut runner = TestRunner::deterministic();
    let (mut checked, mut all) = (0, 0);
    let mut outcomes = std::collections::BTreeMap::<Outcome, u32>::new();
    let (mut refused, mut cancels) = (0, 0);
    let (mut texts, mut several) = (Vec::new(), 0);
    for _ in 0..600 {
        let text = rules().new_tree(&mut runner).unwrap().current();
        all += 1;
        let Ok(ruleset) = Ruleset::parse("test.rules", &text, &registry()) else {
            continue;
        };
        checked += 1;
        several += u32::from(text.contains(" or q."));
        let rules = text.split("\nrule ").map(str::to_owned);
        texts.extend(rules.skip(1));
        for _ in 0..4 {
            let body = body().new_tree(&mut runner).unwrap().current();
            let evaluation = decide(&ruleset, &event(&body), &Fuses::default());
            refused += u32::from(evaluation.refused.is_some());
            cancels += u32::try_from(evaluation.cancels.len()).unwrap();
            for decision in evaluation.decisions {
                *outcomes.entry(decision.outcome).or_default() += 1;
            }
        }
    }
    let decided: u32 = outcomes.values().sum();
    let share =
        |outcome| f64::from(outcomes.get(&outcome).copied().unwrap_or(0)) / f64::from(decided);
    println!(
        "{checked} of {all} rule files check; {decided} decisions: {outcomes:?}; {cancels} cancellations; {refused} events refused"
    );
    assert!(checked * 2 > all, "most rules must check");
    assert!(share(Outcome::Fired) > 0.08, "too few fire");
    assert!(share(Outcome::Unknown) > 0.1, "too few are unknown");
    assert!(share(Outcome::NotMatched) > 0.1, "too few do not match");
    assert!(outcomes.contains_key(&Outcome::Gated) && outcomes.contains_key(&Outcome::Rejected));
    assert!(cancels * 10 > checked, "too few events meet an `unless`: {cancels}");
    assert!(refused > 0, "no event was refused");
    assert_varied(&texts);
    assert!(several * 10 > checked, "sensors hardly ever listen to several events: {several}");
}
