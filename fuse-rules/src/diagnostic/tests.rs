//! Every code has a page whose examples hold; what is printed is what its format wants.

mod formats;
pub(crate) mod kinds;
mod pages;
mod repair;

/// What is found by its first byte is shown as the character that it begins.
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
