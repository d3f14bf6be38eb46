//! Every code has a page with correct examples, and every output format is valid.

pub(crate) mod fixes;
mod formats;
pub(crate) mod kinds;
mod pages;
mod repair;

/// A span that starts or ends inside a character is widened to the complete character.
#[test]
fn places_are_of_whole_characters() {
    let rules = "sensor x on s\u{fffd} { rule r { when body.a \u{e9} 1 } }";
    let problems = crate::Ruleset::parse("x.rules", rules, &crate::Registry::new()).unwrap_err();
    for problem in &problems {
        let place = problem.label.as_ref().unwrap().span.range();
        assert!(rules.get(place).is_some(), "{problem:?}");
    }
    assert!(problems.to_string().contains("a sensor listens to an event of a source"));
}
