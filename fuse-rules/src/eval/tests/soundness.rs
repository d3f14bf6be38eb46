//! The type system is sound: on any conforming event, rules that check never meet a kind mismatch,
//! or an absence that the checker did not warn of. Types, programs and events are generated.

mod programs;
mod types;

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::shares::assert_varied;
use super::{event, registry};
use crate::diagnostic::Diagnostics;
use crate::reference::claims;
use crate::ruleset::Ruleset;
use types::Shape;

/// Random choices from a seed that proptest shrinks and prints.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // A step of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    fn pick<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.roll(all.len())]
    }
}

struct Case {
    text: String,
    shape: Shape,
}

fn case(dice: &mut Dice) -> Case {
    let shape = Shape::record(dice, 3);
    let text = programs::program(dice, &shape);
    Case { text, shape }
}

fn load(case: &Case) -> Result<Ruleset, Diagnostics> {
    Ruleset::parse("test.rules", &case.text, &registry())
}

proptest! {
    #![proptest_config(Config { cases: 2_000, ..Config::default() })]

    #[test]
    fn what_checks_meets_no_mismatch_and_no_unwarned_absence(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let case = case(dice);
        if let Ok(ruleset) = load(&case) {
            for _ in 0..6 {
                let body = case.shape.value(dice).to_string();
                let event = event(&body);
                let plan = ruleset.plan();
                prop_assert_eq!(plan.mismatch(&event), None, "{}\n{}", case.text, body);
                let refuted = claims::refuted(ruleset.typed(), &event);
                prop_assert!(refuted.is_empty(), "{}\n{}\n{}", refuted.join("\n"), case.text, body);
            }
        }
    }

    /// The checker's types and the written types agree on their values.
    #[test]
    fn a_type_accepts_the_values_that_are_its_own_and_no_others(seed in any::<u64>()) {
        let dice = &mut Dice(seed);
        let shape = Shape::record(dice, 3);
        let other = Shape::record(dice, 3);
        let text = format!("source q queue {{ event e : {shape} }}");
        let plan = Ruleset::parse("test.rules", &text, &registry()).unwrap().plan();
        for value in [shape.value(dice), other.value(dice), shape.near(dice)] {
            let body = value.to_string();
            let mismatch = plan.mismatch(&event(&body));
            prop_assert_eq!(mismatch.is_none(), shape.has(&value), "{:?} {}\n{}", mismatch, text, body);
        }
    }
}

/// The property would mean little if almost no program checked, or almost no rule fired.
#[test]
fn what_is_generated_is_worth_checking() {
    let (mut checked, mut fired, mut unknown, mut decided) = (0, 0, 0, 0);
    let mut texts = Vec::new();
    let mut codes = std::collections::BTreeMap::<String, u32>::new();
    for seed in 0..1_000_u64 {
        let dice = &mut Dice(seed);
        let case = case(dice);
        match load(&case) {
            Ok(ruleset) => {
                checked += 1;
                texts.push(case.text.clone());
                for _ in 0..3 {
                    let body = case.shape.value(dice).to_string();
                    let evaluation =
                        super::decide(&ruleset, &event(&body), &crate::Fuses::default());
                    for decision in evaluation.decisions {
                        decided += 1;
                        fired += u32::from(decision.outcome == crate::Outcome::Fired);
                        unknown += u32::from(decision.outcome == crate::Outcome::Unknown);
                    }
                }
            }
            Err(problems) => {
                for problem in &problems {
                    *codes.entry(problem.topic.to_string()).or_default() += 1;
                }
            }
        }
    }
    println!(
        "{checked} of 1000 programs check; of {decided} decisions {fired} fired, {unknown} unknown; {codes:?}"
    );
    assert!(checked >= 350, "a third of the programs check, not {checked}");
    assert!(fired * 10 > decided && unknown * 50 > decided, "{fired} and {unknown} of {decided}");
    for code in ["E0203", "E0311", "E0312", "E0313"] {
        assert!(codes.contains_key(code), "{code} is never raised");
    }
    assert_varied(&texts);
}
