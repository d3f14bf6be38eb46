//! Compares atoms, as sets of values, with evaluation, and tests the sets themselves.

use super::*;
use crate::analysis::atom::{self, Atom};
use crate::analysis::domain::{Automata, Domain, NumberSet, Pick, StringTest, TextSet};
use crate::analysis::truths::Truths;
use crate::eval::tests::event;
use crate::eval::tests::many::Random;
use crate::number::Number;
use crate::reference::{self, World};
use crate::value::Value;

const VALUES: [&str; 30] = [
    "",
    "null",
    "true",
    "false",
    "[]",
    "[1]",
    "{}",
    "{\"b\":1}",
    "\"\"",
    "\"a\"",
    "\"A\"",
    "\"ab\"",
    "\"ba\"",
    "\"prod\"",
    "\"prod-1\"",
    "\"1\"",
    "\"é\"",
    "\"\\ud800\"",
    "0",
    "1",
    "2",
    "-1",
    "1.5",
    "0.5",
    "1.0",
    "10e-1",
    "1e999",
    "1e-999",
    "9007199254740993",
    "1.0000000000000001",
];

const ATOMS: [&str; 45] = [
    "body.a",
    "body.a == \"a\"",
    "body.a != \"a\"",
    "\"a\" == body.a",
    "body.a == 1",
    "body.a != 1",
    "body.a < 1",
    "body.a <= 1",
    "body.a > 1",
    "body.a >= 1",
    "1 < body.a",
    "1 <= body.a",
    "1 > body.a",
    "1 >= body.a",
    "body.a == 1.5",
    "body.a < 1.5",
    "body.a >= 9007199254740993",
    "body.a == 5m",
    "body.a < 5m",
    "body.a in []",
    "body.a in [1, 2]",
    "body.a in [\"a\", \"ab\"]",
    "body.a in [1, \"a\"]",
    "body.a in [true]",
    "body.a in [true, false]",
    "body.a in [true, 1]",
    "body.a in [5m, 1]",
    "body.a starts-with \"a\"",
    "body.a ends-with \"a\"",
    "body.a contains \"a\"",
    "body.a starts-with \"\"",
    "body.a like \"a*\"",
    "body.a like \"?\"",
    "body.a matches r\"[a-z]+\"",
    "body.a matches r\"(?i)a|prod.*\"",
    "body.a is missing",
    "body.a is present",
    "body.a is null",
    "body.a is string",
    "body.a is int",
    "body.a is float",
    "body.a is bool",
    "body.a is list",
    "body.a is not map",
    "body.a is not int",
];

#[test]
fn atoms_agree_with_evaluation() {
    let wants = [
        Truths::TRUE,
        Truths::FALSE,
        Truths::UNKNOWN,
        Truths::NOT_TRUE,
        Truths::NOT_FALSE,
        Truths::TRUE.or(Truths::FALSE),
    ];
    let mut compared = 0;
    for text in ATOMS {
        let Ok(ruleset) = parsed("", &[&format!("when {text}")]) else {
            // The checker rejects atoms that can never be true.
            assert!(text.contains("5m") || text.contains("[]"), "{text}");
            continue;
        };
        let expr = &placed(ruleset.typed())[0].rule.when[0];
        let Some(Atom::Single(_, split)) = atom::from_expr(expr) else {
            panic!("{text} is not an atom")
        };
        for value in VALUES {
            let body =
                if value.is_empty() { "{}".to_owned() } else { format!("{{\"a\":{value}}}") };
            let event = event(&body);
            let truth =
                Truths::from_truth(&reference::truth(&World::new(&event, None), Vec::new(), expr));
            let whole = Value::read_lenient(&body);
            let Value::Map(entries) = &whole else { panic!() };
            let value = entries.first().map(|(_, value)| value);
            for want in wants {
                let has = split.domain(want).has(value);
                assert_eq!(has, want.has(truth), "{text} on {body} for {want:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 6_000, "{compared}");
}

/// A set of numbers, and whether each of these numbers belongs to it.
fn numbers(random: &mut Random, tested: &[Number], depth: usize) -> (NumberSet, Vec<bool>) {
    if depth > 0 {
        let (a, in_a) = numbers(random, tested, depth - 1);
        let (b, in_b) = numbers(random, tested, depth - 1);
        let both = in_a.iter().zip(&in_b);
        return match random.below(3) {
            0 => (a.and(&b), both.map(|(a, b)| *a && *b).collect()),
            1 => (a.or(&b), both.map(|(a, b)| *a || *b).collect()),
            _ => (a.not(), in_a.iter().map(|a| !a).collect()),
        };
    }
    let at = tested[random.below(tested.len())];
    let membership = |holds: &dyn Fn(&Number) -> bool| tested.iter().map(holds).collect();
    match random.below(4) {
        0 => (NumberSet::only(at), membership(&|n| *n == at)),
        1 => (NumberSet::below(at), membership(&|n| *n < at)),
        2 => (NumberSet::above(at), membership(&|n| *n > at)),
        _ => (NumberSet::WHOLE, membership(&|n| n.is_integral())),
    }
}

#[test]
fn number_sets_obey_set_laws() {
    let texts = ["-2", "-1.5", "-1", "0", "0.5", "1", "1.5", "2", "2.5", "3", "10"];
    let all = texts.map(|text| Number::parse(text).unwrap());
    let mut random = Random::new(3);
    let mut none = 0;
    for _ in 0..4_000 {
        let depth = random.below(5);
        let (set, belongs) = numbers(&mut random, &all, depth);
        let has: Vec<bool> = all.iter().map(|number| set.has(*number)).collect();
        assert_eq!(has, belongs, "{set:?}");
        let near = random.one_in(2).then(|| all[random.below(all.len())]);
        match set.pick(near) {
            Pick::One(number) => assert!(set.has(number), "{set:?} has no {number}"),
            Pick::None => none += 1,
            Pick::Unsure => panic!("nothing is known of {set:?}"),
        }
        let is_none = set.pick(near) == Pick::None;
        assert!(!is_none || !has.contains(&true), "{set:?} has some");
    }
    assert!(none > 100, "{none}");
}

#[test]
fn picked_texts_are_members_and_none_means_empty() {
    let (mut random, mut automata) = (Random::new(5), Automata::default());
    let patterns = ["[a-c]+", "a.*", "(?i)ab", "b|ab|c", ".?", "[^a]*"].map(|source| {
        let text = format!("body.a matches r\"{source}\"");
        let ruleset = set("", &[&format!("when {text}")]);
        let expr = &placed(ruleset.typed())[0].rule.when[0];
        match &expr.kind {
            crate::typed::ExprKind::Pattern { pattern, .. } => pattern.clone(),
            _ => panic!(),
        }
    });
    // All texts of up to three of these letters.
    let mut all = vec![String::new()];
    for len in 0..3 {
        let longer = all.iter().filter(|text| text.chars().count() == len);
        let longer: Vec<String> =
            longer.flat_map(|text| ["a", "b", "C", "é"].map(|c| format!("{text}{c}"))).collect();
        all.extend(longer);
    }
    let (mut some, mut none) = (0, 0);
    for _ in 0..1_500 {
        let mut texts = match random.below(3) {
            0 => TextSet::but(
                (0..random.below(4)).map(|_| all[random.below(all.len())].as_str().into()),
            ),
            1 if random.one_in(3) => TextSet::only(
                (0..random.below(4)).map(|_| all[random.below(all.len())].as_str().into()),
            ),
            _ => TextSet::all(),
        };
        for _ in 0..1 + random.below(4) {
            let text = || ["a", "b", "ab", "C", "é"];
            let part = random.pick(&text()).into();
            let test = match random.below(5) {
                0 => StringTest::Start(part),
                1 => StringTest::End(part),
                2 => StringTest::Contains(part),
                _ => StringTest::Pattern(patterns[random.below(patterns.len())].clone()),
            };
            texts = texts.tested(test, !random.one_in(3));
        }
        match texts.pick(&mut automata) {
            Pick::One(text) => {
                assert!(texts.has(&text), "{texts:?} has no {text:?}");
                assert!(Domain::texts(texts.clone()).has(Some(&Value::text(text.to_string()))));
                some += 1;
            }
            Pick::None => {
                let found = all.iter().find(|text| texts.has(text));
                assert_eq!(found, None, "{texts:?} has some");
                none += 1;
            }
            Pick::Unsure => panic!("nothing is known of {texts:?}"),
        }
    }
    assert!(some > 300 && none > 100, "{some} {none}");
}
