//! `shadowed-rule`

use crate::typed::Rule;
use crate::lint::context::{Context, Findings};
use crate::lint::facts::{Study, shown};
use crate::lint::{Level, Lint};
use crate::typed::Shown;

pub(super) static LINT: Lint = Lint {
    name: "shadowed-rule",
    title: "a rule beside another one that does the same whenever it does",
    level: Level::Warn,
    finds: "Every rule that matches acts. Where another rule has the same triggers and matches whenever this one does, whatever this one does \
is done twice; or once, where a `once` of both holds one back, whichever comes first. This is proven for every event, of its declared type where it has one; the event that is shown matches both.",
    instead: "Remove the rule, or exclude by a condition what the other one takes care of.",
    flags: &[
        "\
sensor example on gh.push {
  rule all {
    when body.ref starts-with \"refs/heads/\"
    trigger log { message = body.ref }
  }
  rule main {
#~ main
    when body.ref == \"refs/heads/main\"
    trigger log { message = body.ref }
  }
}
",
        "\
sensor example on gh.push {
  each commit in body.commits
  rule one {
    when commit.size > 10
    trigger log { message = commit.id }
  }
  rule two {
#~ two
    when commit.size > 10
    trigger log { message = commit.id }
  }
}
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  rule all {
    when body.ref starts-with \"refs/heads/\"
    when body.ref != \"refs/heads/main\"
    trigger log { message = body.ref }
  }
  rule main {
    when body.ref == \"refs/heads/main\"
    trigger log { message = body.ref }
  }
}
",
        "\
sensor example on gh.push {
  rule all {
    when body.ref starts-with \"refs/heads/\"
    trigger log { message = \"pushed\" }
  }
  rule main {
    when body.ref == \"refs/heads/main\"
    trigger log { message = \"pushed to main\" }
  }
}
",
        // What the other one holds back, or waits for, is another matter.
        "\
sensor example on gh.push {
  rule all {
    once per body.id within 1h
    trigger log { message = body.ref }
  }
  rule main {
    when body.ref == \"refs/heads/main\"
    trigger log { message = body.ref }
  }
}
",
        "\
sensor example on gh.push {
  rule all {
    requires cicd
    trigger log { message = body.ref }
  }
  rule main {
    when body.ref == \"refs/heads/main\"
    trigger log { message = body.ref }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let mut study = context.study();
    for number in 0..study.rules.len() {
        let others = study.beside(number);
        let by = others.into_iter().find(|other| shadows(&mut study, number, *other));
        let (Some(by), Some(studied)) = (by, study.rules.get(number)) else { continue };
        let (Some(other), Some(witness)) = (study.rules.get(by), studied.matching.witness()) else {
            continue;
        };
        let message = format!(
            "whenever rule `{}` matches, so does `{}`, which has the same triggers",
            studied.name(),
            other.name()
        );
        let event = shown(witness, studied.placed);
        let has_once = studied.placed.rule.once.is_some();
        out.add(studied.span(), message, |problem| {
            let label = if has_once { "may be done twice" } else { "done twice" };
            let way_out = if has_once {
                "let one exclude the other, as each remembers its own `once`"
            } else {
                "remove it, or let one exclude the other"
            };
            problem
                .label(label)
                .related(other.span(), "by this one, too")
                .help(format!("{way_out}; both match {event}"))
        });
    }
}

/// Whether the second rule does all that the first does, whenever that does it.
fn shadows(study: &mut Study<'_>, number: usize, by: usize) -> bool {
    let (Some(own), Some(other)) = (study.rules.get(number), study.rules.get(by)) else {
        return false;
    };
    let (rule, shadow) = (own.placed.rule, other.placed.rule);
    let once = |rule: &Rule| {
        rule.once.as_ref().map(|once| {
            let keys: Vec<String> = once.keys.iter().map(|key| Shown(key).to_string()).collect();
            (keys, once.within)
        })
    };
    let same = own.actions == other.actions
        && shadow.requires.iter().all(|fuse| rule.requires.contains(fuse))
        && once(rule) == once(shadow);
    // Of two that match the same, the later one is told.
    same && study.implies(number, by) && (by < number || !study.implies(by, number))
}
