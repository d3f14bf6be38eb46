use super::read;

#[test]
fn tests_of_rules() {
    let text = r#"
# What it is about.
test "all steps" {
  with fuse cicd off
  at "2026-08-01T10:00:00Z"
  send github.push from "push.json" headers { "x-github-event" = "push" } query { a = 1 }
  send github.push body { a = 1, b { c = [1, { d = "x" }] } }
  send github.push body [1]
  expect deploy
  expect releases/deploy 2 times for element 1, 0 because "r" { parameters { app = "pay" } }
  expect deploy not-matched once
  expect no deploy
  expect nothing else
}
"#;
    let (tree, problems) = read(text);
    assert_eq!(problems, "");
    insta::assert_snapshot!(tree);
}
