//! `constant-key`

use crate::flow::Flow;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::path::Segment;
use crate::typed::{Expr, ExprKind, Root, Rule};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "constant-key",
        title: "a key of flow control that does not distinguish events",
        level: Level::Warn,
        page: include_str!("../../../lints/constant-key.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        let has_each = |rule: &Rule| sensor.each.is_some() || rule.each.is_some();
        let of_rules = sensor.rules.iter().flat_map(|rule| {
            let own = rule.flow.iter().filter(|clause| !sensor.shares(clause));
            own.map(move |clause| (clause, has_each(rule)))
        });
        let of_sensor =
            sensor.flow.iter().map(|clause| (clause, sensor.rules.iter().any(has_each)));
        for (clause, by_element) in of_sensor.chain(of_rules) {
            let Some(first) =
                clause.keys.first().filter(|_| !clause.keys.iter().any(depends_on_content))
            else {
                continue;
            };
            let by_id = clause.keys.iter().any(reads_id);
            let Some((message, help)) = finding(clause.flow, by_id, by_element) else { continue };
            out.add(first.span, message, |problem| {
                problem.label("does not distinguish events").help(help)
            });
        }
    }
}

/// The message and the help about a clause whose keys do not depend on the content of the event.
fn finding(flow: Flow, by_id: bool, by_element: bool) -> Option<(&'static str, &'static str)> {
    let once =
        "use a key that identifies what must not happen twice, as in `once per body.app within 1h`";
    let limit =
        "use a key that identifies what has its own limit, as in `limit 3 per 1h per body.app`";
    let plain = "leave out `per`, or use a key that identifies what has its own limit, as in `limit 3 per 1h per body.app`";
    let concurrency =
        "use a key that identifies what acts one at a time, as in `concurrency 1 per body.app`";
    let plain_concurrency = "leave out `per`, or use a key that identifies what acts one at a time, as in `concurrency 1 per body.app`";
    let after = "use a key that identifies what is counted together, as in `after 3 within 1m per body.app`";
    let plain_after = "leave out `per`, or use a key that identifies what is counted together, as in `after 3 within 1m per body.app`";
    let quiet = "leave out `per`, or use a key that identifies what belongs together, as in `quiet 5m per body.app`";
    let still = "leave out `per`, or use a key that both events have, as in `still 5m per alert.fingerprint`";
    Some(match (flow, by_id, by_element) {
        // They have no keys.
        (Flow::Requires { .. } | Flow::During { .. } | Flow::Approval { .. }, ..) => return None,
        // The Nth element of one event.
        (Flow::After { .. }, true, true) => return None,
        (Flow::After { .. }, true, false) => {
            ("every event has its own id, so the rule never fires", after)
        }
        (Flow::After { .. }, false, _) => {
            ("all events share this key, so the matches of the whole rule are counted", plain_after)
        }
        (Flow::Once { .. }, true, true) => {
            ("this suppresses all elements of an event except the first", once)
        }
        (Flow::Once { .. }, true, false) => {
            ("every event has its own id, so this suppresses nothing", once)
        }
        (Flow::Once { .. }, false, _) => {
            ("all events share this key, so one event suppresses all others", once)
        }
        // The elements of one event.
        (Flow::Quiet { .. }, true, true) => return None,
        (Flow::Quiet { .. }, true, false) => {
            ("every event has its own id, so none takes the place of another", quiet)
        }
        (Flow::Quiet { .. }, false, _) => {
            ("all events share this key, so the newest one takes the place of all others", quiet)
        }
        (Flow::Still { .. }, true, _) => {
            ("every event has its own id, so no event can cancel the action", still)
        }
        (Flow::Still { .. }, false, _) => {
            ("all events share this key, so the rule waits for one event at a time", still)
        }
        // At most N elements of one event.
        (Flow::Concurrency { .. }, true, true) => return None,
        (Flow::Concurrency { .. }, true, false) => {
            ("every event has its own id, so this limits nothing", concurrency)
        }
        (Flow::Concurrency { .. }, false, _) => {
            ("all events share this key, so the limit is that of the whole rule", plain_concurrency)
        }
        (Flow::Limit { .. }, true, true) => return None,
        (Flow::Limit { .. }, true, false) => {
            ("every event has its own id, so this limits nothing", limit)
        }
        (Flow::Limit { .. }, false, _) => {
            ("all events share this key, so the limit is that of the whole rule", plain)
        }
    })
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
