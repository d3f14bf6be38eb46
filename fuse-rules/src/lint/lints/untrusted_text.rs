//! `untrusted-text`

use crate::analysis::Placed;
use crate::typed::{Expr, ExprKind, Mapped, Path, Rule, Sensor};
use crate::lint::context::{Context, Findings};
use crate::lint::outsiders::HARMLESS_FIELDS;
use crate::lint::event_paths::{self, Bound, Part, Whole};
use crate::lint::{Level, Lint, guards};

pub(super) static LINT: Lint = Lint {
    name: "untrusted-text",
    title: "text that anybody can write, given to something that acts",
    level: Level::Warn,
    finds: "\
Whoever opens a pull request, an issue or a comment chooses its title, its text, the name of \
the branch and what the commits say; nobody has to allow it first. Where such a text is \
given to a workflow, a job or an object, it sooner or later stands in a shell command, a \
file name or a URL, and says more there than it should.

What counts as such, wherever it stands in the body: `title` and `body` of `pull_request`, \
`issue` and `discussion`; `body` of `comment` and `review`; `ref` and `label` of the `head` \
of a pull request, and `full_name`, `description` and `default_branch` of its `repo`; \
`head_branch` and `display_title` of `workflow_run`; `message` of `head_commit`, `commit` \
and `commits`; `name` and `email` of `author`, `committer` and `pusher`; `page_name` of \
`pages`.

Where it may not go: any field of a trigger that changes something, but for `labels`, \
`annotations` and `env`, which are no command. A `sha256`, `url-encode`, `base64`, `hex` or \
`len` of it may go anywhere. Nothing is said where a condition of the rule tests the text by \
`matches`, `in` or `==`.",
    instead: "\
Give what nobody else chooses, such as a number or a commit's SHA, or test the text first: \
by a pattern that only has what is harmless.",
    flags: &[
        "\
sensor example on gh.push {
  rule preview {
    when body.action == \"opened\"
    trigger workflow {
      template  = \"preview\"
      namespace = \"ci\"
      parameters {
        branch = body.pull_request.head.ref
#~ body.pull_request.head.ref
        commit = body.pull_request.head.sha
      }
    }
  }
}
",
        "\
sensor example on gh.push {
  each commit in body.commits
  rule one {
    when commit.message starts-with \"deploy \"
    trigger job {
      image     = \"x\"
      namespace = \"n\"
      command   = [\"sh\", \"-c\", \"echo ${lower(commit.message)}\"]
#~ commit.message
    }
  }
}
",
        "\
when not (body.issue.title == \"x\") and body.comment.body like \"/deploy *\"
trigger workflow {
  template  = \"t\"
  namespace = \"n\"
  parameters {
    a = body.issue.title ?? \"\"
#~ body.issue.title
    c = body.comment.id ?? body.issue.title
#~ body.issue.title
    b = body.comment.body
#~ body.comment.body
  }
}
",
    ],
    passes: &[
        "\
sensor example on gh.push {
  rule preview {
    when body.action == \"opened\"
    when body.pull_request.head.ref matches r\"[A-Za-z0-9/_.-]+\"
    trigger workflow {
      template  = \"preview\"
      namespace = \"ci\"
      parameters {
        branch = body.pull_request.head.ref
        commit = body.pull_request.head.sha
      }
    }
  }
}
",
        "trigger log { message = body.pull_request.title }",
        "\
when body.n == 1 or body.n == 2
trigger job { image = \"x\", namespace = \"n\", command = [\"${body.n ?? body.issue.title}\"] }
",
        "\
trigger workflow {
  template  = \"t\"
  namespace = \"n\"
  parameters {
    a = sha256(body.issue.title)
    b = body.issue.number
  }
}
",
        "trigger job { image = \"x\", namespace = \"n\", env { TITLE = body.issue.title } }",
        "\
when lower(body.comment.body) in [\"/deploy\", \"/retry\"]
trigger workflow { template = \"t\", namespace = \"n\", parameters { a = body.comment.body } }
",
    ],
    look,
};

/// Functions whose result says nothing that their argument wants to say.
const HARMLESS_CALLS: [&str; 11] = [
    "age",
    "base64",
    "duration",
    "float",
    "hex",
    "int",
    "len",
    "semver",
    "sha256",
    "time",
    "url-encode",
];

fn look(context: &Context<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            look_at(sensor, rule, context, out);
        }
    }
}

fn look_at<'a>(sensor: &'a Sensor, rule: &'a Rule, context: &Context<'a>, out: &mut Findings) {
    let mut found = Vec::new();
    event_paths::roots(sensor, rule, &mut |part, expr, bound| {
        if let Part::Field(trigger, field) = part
            && acts(&trigger.kind, field, context)
        {
            flows(expr, bound, &mut Vec::new(), &mut |whole, expr, stands_in| {
                found.push((whole, expr, field, stands_in.to_vec()));
            });
        }
    });
    if found.is_empty() {
        return;
    }
    let tested = guards::tested(sensor, rule);
    let mut study = context.study();
    for (_, expr, field, stands_in) in found.iter().filter(|(whole, ..)| !tested.contains(whole)) {
        if study.analysis.is_plain(Placed { sensor, rule }, expr, stands_in) {
            continue;
        }
        let (text, name) = (context.text(expr.span), &field.name);
        let message = format!("anybody can write this text, and it is given to `{name}`");
        out.add(expr.span, message, |problem| {
            problem.label("what an outsider writes").help(format!(
                "test it first, as in `when {text} matches r\"[A-Za-z0-9/_.-]+\"`, or give what \
                 nobody else chooses, such as a number or a SHA"
            ))
        });
    }
}

/// Whether what a field is given acts.
fn acts(kind: &str, field: &Mapped, context: &Context<'_>) -> bool {
    let notifies = context.registry.find_trigger(kind).is_some_and(|schema| schema.is_notification());
    let outer = field.name.split('.').next().unwrap_or_default();
    !notifies && !HARMLESS_FIELDS.contains(&outer)
}

/// Calls `visit` with each text of outsiders that goes into a value as it is, and the values for which it stands in.
fn flows<'a>(
    expr: &'a Expr,
    bound: &mut Bound<'a>,
    stands_in: &mut Vec<&'a Path>,
    visit: &mut impl FnMut(Whole<'a>, &'a Expr, &[&'a Path]),
) {
    match &expr.kind {
        ExprKind::Path(path) => {
            if let Some(whole) = bound.whole(path).filter(Whole::is_outsiders) {
                visit(whole, expr, stands_in);
            }
        }
        ExprKind::Call { function, .. } if HARMLESS_CALLS.contains(&function.name) => {}
        ExprKind::Quantifier { list, body, kind, .. } => {
            flows(list, bound, stands_in, visit);
            if !kind.is_condition() && !kind.keeps_elements() {
                bound.bind(list);
                flows(body, bound, stands_in, visit);
                bound.unbind();
            }
        }
        ExprKind::Coalesce { left, right } => {
            flows(left, bound, stands_in, visit);
            let outer = stands_in.len();
            if let ExprKind::Path(path) = &left.kind {
                stands_in.push(path);
            }
            flows(right, bound, stands_in, visit);
            stands_in.truncate(outer);
        }
        _ if expr.is_condition() => {}
        _ => {
            expr.children().into_iter().for_each(|child| flows(child, bound, stands_in, visit));
        }
    }
}
