//! `fuse replay`

use serde_json::{Value, json};

use super::dead_letters::element;
use super::target::{Target, text};
use super::{Ended, async_runtime};
use crate::cli::{Format, Replay};
use crate::output::{printable, printable_json};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Replay) -> Ended {
    let report = async_runtime()?.block_on(async {
        let server = Target::running(&arguments.server, "replay anything").await?;
        let body = json!({
            "id": arguments.id,
            "source": arguments.source,
            "ignore_once": arguments.ignore_once,
            "dry_run": !arguments.yes,
        });
        server.post("/replay", body).await
    })?;
    output::print(&match arguments.server.format {
        Format::Json => printable_json(&format!("{report}\n")),
        Format::Text => lines(&report),
    });
    Ok(if acts(&report) { Exit::Clean } else { Exit::Usage })
}

/// Whether something is done, or would be.
fn acts(report: &Value) -> bool {
    report.get("fired").and_then(Value::as_u64) != Some(0)
}

fn lines(report: &Value) -> String {
    let is_done = report.get("done").and_then(Value::as_bool).unwrap_or_default();
    let event = report.get("event").unwrap_or(&Value::Null);
    let name = format!("{}.{}", text(event, "source"), text(event, "name"));
    let mut lines = format!("{name} {} as `{}`\n", text(event, "id"), text(report, "replay"));
    let list =
        |field: &str| report.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let decisions = list("decisions");
    for decision in &decisions {
        let (rule, outcome) = (text(decision, "rule"), text(decision, "outcome"));
        lines.push_str(&format!("  {rule}{}: {outcome}", element(decision)));
        match decision.get("action") {
            Some(action) => lines.push_str(&format!(", {}\n", action_line(action))),
            None => lines.push_str(&format!(": {}\n", text(decision, "reason"))),
        }
    }
    if let Some(why) = report.get("rejected").and_then(Value::as_str) {
        lines.push_str(&format!("  the event is rejected: {}\n", printable(why)));
    } else if decisions.is_empty() {
        lines.push_str("  no rule matches\n");
    }
    for warning in list("warnings").iter().filter_map(Value::as_str) {
        lines.push_str(&format!("note: {}\n", printable(warning)));
    }
    lines.push_str(match (is_done, acts(report)) {
        (true, _) => "replayed; `fuse events` shows the result\n",
        (false, true) => "nothing is done yet; `--yes` does it\n",
        (false, false) => "nothing would be done\n",
    });
    lines
}

/// An action, as in `workflow: Workflow cicd/remediate-x1`.
fn action_line(action: &Value) -> String {
    let trigger = text(action, "trigger");
    let Some(object) = action.get("object") else { return trigger };
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let (kind, name) = (text(object, "kind"), text(metadata, "name"));
    match (&*kind, &*name, &*text(metadata, "namespace")) {
        ("", ..) | (_, "", _) => trigger,
        (kind, name, "") => format!("{trigger}: {kind} {name}"),
        (kind, name, namespace) => format!("{trigger}: {kind} {namespace}/{name}"),
    }
}
