//! `constant-once-key`

use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::path::Segment;
use crate::typed::{Expr, ExprKind, Root};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "constant-once-key",
        title: "a `once` key that does not distinguish events",
        level: Level::Warn,
        page: include_str!("../../../lints/constant-once-key.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let sensors = context.rules.sensors.iter();
    for (sensor, rule) in sensors.flat_map(|s| s.rules.iter().map(move |rule| (s, rule))) {
        let Some(once) = rule.flow.first() else { continue };
        let Some(first) = once.keys.first().filter(|_| !once.keys.iter().any(depends_on_content))
        else {
            continue;
        };
        let by_id = once.keys.iter().any(reads_id);
        let by_element = sensor.each.is_some() || rule.each.is_some();
        let message = match (by_id, by_element) {
            (true, true) => "this suppresses all elements of an event except the first",
            (true, false) => "every event has its own id, so this suppresses nothing",
            (false, _) => "all events share this key, so one event suppresses all others",
        };
        out.add(first.span, message, |problem| {
            problem.label("does not distinguish events").help(
                "use a key that identifies what must not happen twice, as in `once per body.app within 1h`",
            )
        });
    }
}

/// Whether a key depends on the content of the event.
fn depends_on_content(key: &Expr) -> bool {
    let mut depends = false;
    key.references(&mut |path| {
        depends |= match (path.root, path.segments.as_slice()) {
            (Root::Event, [Segment::Key(field)]) => {
                !matches!(field.as_str(), "id" | "source" | "name" | "type")
            }
            _ => true,
        }
    });
    depends
}

/// Whether a key is the id of the event.
fn reads_id(key: &Expr) -> bool {
    matches!(&key.kind, ExprKind::Path(path)
        if path.root == Root::Event && path.segments == [Segment::Key("id".to_owned())])
}
