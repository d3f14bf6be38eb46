//! Recovery after errors.

use super::*;

#[test]
fn recovery_goes_on_with_the_next_clause_rule_and_declaration() {
    let text = "\
fuse a default maybe
sensor x on a.b {
  when (
  requires
  rule one {
    when a ==
      and b
    when c == \"ok\"
    trigger log { m = 1, n = , o = 3 }
  }
  rul two { when d }
  rule three { when e
  rule four { when f ) }
}
sensr y on c.d { when g }
fuse z default on
}
";
    let (tree, problems) = read(text);
    insta::assert_snapshot!(tree, @r#"
    fuse a default false
    fuse z default true
    sensor x on a.b
      rule one
        when (error)
        when (== c "ok")
        trigger log
          m = 1
          o = 3
      rule three
        when e
      rule four
        when (error)
    "#);
    insta::assert_snapshot!(problems, @"
    error[E0101]: expected `on` or `off`, found `maybe`
     --> test.rules:1:16
      |
    1 | fuse a default maybe
      |                ^^^^^ not expected here
      |
      = help: add its default, as in `fuse cicd default off`

    error[E0101]: expected an expression after `(`
     --> test.rules:3:8
      |
    3 |   when (
      |        ^ something is missing after this

    error[E0101]: expected a name after `requires`
     --> test.rules:4:3
      |
    4 |   requires
      |   ^^^^^^^^ something is missing after this

    error[E0101]: expected an expression after `==`
     --> test.rules:6:12
      |
    6 |     when a ==
      |            ^^ something is missing after this

    error[E0101]: expected an expression after `=`
     --> test.rules:9:28
      |
    9 |     trigger log { m = 1, n = , o = 3 }
      |                            ^ something is missing after this

    error[E0101]: `rul` is not expected here
      --> test.rules:11:3
       |
    11 |   rul two { when d }
       |   ^^^
       |
    help: did you mean `rule`?
       |
    11 |   rule two { when d }
       |      +

    error[E0103]: the `{` of rule `three` is never closed
      --> test.rules:12:14
       |
    12 |   rule three { when e
       |              ^ opened here
       |
       = help: add a `}` before the next declaration

    error[E0101]: `)` is not expected here
      --> test.rules:13:22
       |
    13 |   rule four { when f ) }
       |                      ^

    error[E0101]: `sensr` is not expected here
      --> test.rules:15:1
       |
    15 | sensr y on c.d { when g }
       | ^^^^^
       |
    help: did you mean `sensor`?
       |
    15 | sensor y on c.d { when g }
       |     +

    error[E0101]: `}` is not expected here
      --> test.rules:17:1
       |
    17 | }
       | ^
       |
       = help: there is one `}` too many, or a `{` is missing before it
    ");
}
