//! `fuse explain-code`

use super::{fuse, ran, root};

#[test]
fn a_code_in_any_case_prints_its_page() {
    let page = std::fs::read_to_string(root().join("docs/errors/E0102.md")).unwrap();
    for code in ["E0102", "e0102"] {
        assert_eq!(ran(&["explain-code", code]), format!("exit 0\n{page}"));
    }
}

#[test]
fn a_lint_has_a_page_too() {
    let page = std::fs::read_to_string(root().join("docs/lints/unused-const.md")).unwrap();
    assert_eq!(ran(&["explain-code", "unused-const"]), format!("exit 0\n{page}"));
    insta::assert_snapshot!(ran(&["explain-code", "unused-cons"]), @"
    exit 2
    --- stderr
    fuse: there is no lint `unused-cons`; did you mean `unused-const`?
    `fuse explain-code` lists all codes and lints
    ");
}

#[test]
fn without_a_code_all_are_listed() {
    let output = fuse(&["explain-code"]);
    let list = String::from_utf8(output.stdout).unwrap();
    assert!(list.starts_with("E0101  something else was expected here\n"), "{list}");
    assert!(list.contains("\nE0102  a spelling of another language\n"), "{list}");
    assert!(list.contains("\nmixed-and-or             `and` and `or`"), "{list}");
}

#[test]
fn what_is_no_code_is_wrong_usage() {
    insta::assert_snapshot!(ran(&["explain-code", "E0100"]), @"
    exit 2
    --- stderr
    fuse: there is no code `E0100`; did you mean `E0101`?
    `fuse explain-code` lists all codes and lints
    ");
    insta::assert_snapshot!(ran(&["explain-code", "when"]), @"
    exit 2
    --- stderr
    fuse: there is no code `when`; a code is printed with each problem, as in `E0101`
    `fuse explain-code` lists all codes and lints
    ");
}
