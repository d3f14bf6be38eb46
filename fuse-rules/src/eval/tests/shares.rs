//! How often generated rules use a construct. A property says nothing about a construct that is hardly ever generated.

/// A construct, and texts of which every use of it contains one.
type Construct = (&'static str, &'static [&'static str]);

const CONSTRUCTS: [Construct; 12] = [
    ("let", &["let "]),
    ("if", &["if "]),
    ("lookup in a table", &["})["]),
    ("lookup by a value of the event", &["[body", "[el", "[alert", "[item"]),
    ("record as an operand", &["}).", "({ "]),
    ("capture", &["capture("]),
    ("replace-match", &["replace-match("]),
    ("slice", &["slice("]),
    ("letters of a text", &["lower(", "upper(", "capitalize(", "trim("]),
    ("parts of a text", &["split(", "replace(", "strip-prefix("]),
    ("negated text test", &["not contains", "not starts-with", "not like"]),
    ("default", &[" ?? "]),
];

/// Fails if less than one percent of the rules use one of the constructs.
pub(super) fn assert_varied(rules: &[String]) {
    let mut rare = Vec::new();
    for (name, uses) in CONSTRUCTS {
        let has = |text: &&String| uses.iter().any(|one| text.contains(one));
        let count = rules.iter().filter(has).count();
        println!("{name}: {count} of {}", rules.len());
        if count * 100 < rules.len() {
            rare.push(format!("{name}: {count}"));
        }
    }
    assert!(!rules.is_empty() && rare.is_empty(), "rare in {} rules: {rare:?}", rules.len());
}
