//! `constant-once-key`

use crate::typed::{Expr, ExprKind, Root};
use crate::lint::context::{Context, Findings};
use crate::lint::{Level, Lint};
use crate::path::Segment;

pub(super) static LINT: Lint = Lint {
    name: "constant-once-key",
    title: "a key of `once` that tells nothing apart",
    level: Level::Warn,
    finds: "\
`once per KEY within D` holds an action back where another one with the same key was not \
long ago.

- Where no key depends on what was sent, every event has the same: whatever comes first \
holds everything else back for as long.
- Where the only key is `event.id`, no two events have the same, and one that a sender \
repeats is decided once in any case: nothing is ever held back, but all elements of an event \
after its first.",
    instead: "\
Name what must not be done twice. Where all of it together is meant, as a limit for \
everything, allow it with the reason.",
    flags: &[
        "\
once per \"deploy\" within 1h
#~ \"deploy\"
",
        "\
once per event.id within 1h
#~ event.id
",
        "\
once per event.source, \"x\" within 1h
#~ event.source
",
    ],
    passes: &[
        "once per body.app within 1h",
        "once per \"deploy\", body.app within 1h",
        "once per event.subject within 1h",
        "once per lower(headers[\"x-app\"]) within 1h",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let sensors = context.rules.sensors.iter();
    for (sensor, rule) in sensors.flat_map(|s| s.rules.iter().map(move |rule| (s, rule))) {
        let Some(once) = &rule.once else { continue };
        let Some(first) = once.keys.first().filter(|_| !once.keys.iter().any(tells_apart)) else {
            continue;
        };
        let by_id = once.keys.iter().any(reads_id);
        let by_element = sensor.each.is_some() || rule.each.is_some();
        let message = match (by_id, by_element) {
            (true, true) => "this holds back all elements of an event but the first",
            (true, false) => "no two events have the same id, so that this holds nothing back",
            (false, _) => "all events have this key, so that one holds all others back",
        };
        out.add(first.span, message, |problem| {
            problem.label("tells nothing apart").help(
                "name what must not be done twice, as in `once per body.app within 1h`",
            )
        });
    }
}

/// Whether a key depends on what was sent.
fn tells_apart(key: &Expr) -> bool {
    let mut sent = false;
    key.references(&mut |path| {
        sent |= match (path.root, path.segments.as_slice()) {
            (Root::Event, [Segment::Key(field)]) => {
                !matches!(field.as_str(), "id" | "source" | "name" | "type")
            }
            _ => true,
        }
    });
    sent
}

fn reads_id(key: &Expr) -> bool {
    matches!(&key.kind, ExprKind::Path(path)
        if path.root == Root::Event && path.segments == [Segment::Key("id".to_owned())])
}
