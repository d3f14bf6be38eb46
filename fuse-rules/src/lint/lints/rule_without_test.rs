//! `rule-without-test`

use rustc_hash::FxHashSet;

use crate::typed::{Expected, TestStep};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};

pub(super) static LINT: Lint = Lint {
    name: "rule-without-test",
    title: "a rule of which no test expects that it acts",
    level: Level::Warn,
    finds: "What a rule does is seen when its event comes, which may be at night and once a year. A test sends the event and says what is \
expected; `fuse test` runs it in a moment, on every change. A test counts that expects the rule to fire, or to be gated, suppressed or \
rejected: then its conditions hold. Tests are looked for in all files that are loaded.",
    instead: "Write a test that sends an event for which it fires. `fuse test --update` fills in what happens.",
    flags: &[
        "\
sensor example on gh.push {
  rule tell {
#~ tell
    when body.ref == \"main\"
    trigger log { message = \"pushed\" }
  }
}
",
        "\
sensor example on gh.push {
  rule tell {
#~ tell
    when body.ref == \"main\"
    trigger log { message = \"pushed\" }
  }
}

test \"nothing is said of others\" {
  send gh.push body { ref = \"dev\" }
  expect no tell
}
",
        "\
sensor example on gh.push {
  rule tell {
#~ tell
    when body.ref == \"main\"
    trigger log { message = \"pushed\" }
  }
}

test \"that it is unknown is not that it acts\" {
  send gh.push body {}
  expect tell unknown
}
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  rule tell {
    when body.ref == \"main\"
    trigger log { message = \"pushed\" }
  }
}

test \"a push to main is told\" {
  send gh.push body { ref = \"main\" }
  expect tell once
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let mut tested: FxHashSet<&str> = FxHashSet::default();
    for step in context.rules.tests.iter().flat_map(|test| &test.steps) {
        if let TestStep::Expect(expect) = step
            && let Expected::Rule(expected) = &expect.what
            && expected.outcome.holds()
            && expected.count != Some(0)
        {
            tested.insert(&expected.rule);
        }
    }
    for rule in context.rules.sensors.iter().flat_map(|sensor| &sensor.rules) {
        if !tested.contains(rule.name.as_str()) {
            let message = format!("no test expects that rule `{}` acts", rule.name);
            out.add(rule.span, message, |problem| {
                problem
                    .label("untested")
                    .help("write `test \"…\" { send … expect … }` with an event for which it fires")
            });
        }
    }
}
