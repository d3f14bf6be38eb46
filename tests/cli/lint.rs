//! `fuse lint`

use super::{fuse, ran};

#[test]
fn the_seeds_rules_are_clean() {
    insta::assert_snapshot!(ran(&["lint", "rules"]), @"
    exit 0
    nothing found in 7 files: 3 events, 4 rules
    ");
    insta::assert_snapshot!(ran(&["lint", "--deny", "warnings", "--format", "json", "rules"]), @"exit 0");
}

#[test]
fn what_is_no_lint_is_wrong_usage() {
    insta::assert_snapshot!(ran(&["lint", "--deny", "unused-cost", "rules"]).lines().filter(|line| !line.contains("possible values")).collect::<Vec<_>>().join("\n"), @"
    exit 2
    --- stderr
    error: invalid value 'unused-cost' for '--deny <LINT>'

      tip: a similar value exists: 'unused-const'

    For more information, try '--help'.
    ");
    assert_eq!(fuse(&["lint"]).status.code(), Some(2));
}
