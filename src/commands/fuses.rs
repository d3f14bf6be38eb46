//! `fuse fuses` and `fuse switch`

use serde_json::{Value, json};

use super::target::{Target, field, formatted, table, text};
use super::{Ended, async_runtime, counted};
use crate::cli::{Format, FuseList, FuseSwitch};
use crate::output::{printable, printable_json};
use crate::{Exit, output};

/// How many changes of one fuse are printed.
const MAX_CHANGES: usize = 5;

pub(crate) fn list(arguments: &FuseList) -> Ended {
    let fuses = async_runtime()?.block_on(async {
        let server = Target::running(&arguments.server, "list its fuses").await?;
        let mut answer: Value = server.get("/fuses").await?;
        match answer.get_mut("fuses").map(Value::take) {
            Some(Value::Array(fuses)) => Ok::<_, String>(fuses),
            _ => Ok(Vec::new()),
        }
    })?;
    output::print(&formatted(arguments.server.format, &fuses, lines));
    Ok(Exit::Clean)
}

pub(crate) fn switch(arguments: &FuseSwitch) -> Ended {
    let FuseSwitch { fuse, to, lasts, reason, server } = arguments;
    let switched = async_runtime()?.block_on(async {
        let running = Target::running(server, "switch its fuses").await?;
        let body = json!({ "to": to, "for": lasts, "reason": reason });
        running.post(&format!("/fuses/{fuse}/switch"), body).await
    })?;
    output::print(&match server.format {
        Format::Json => printable_json(&format!("{switched}\n")),
        Format::Text => format!("{fuse} is {}: {}\n", value(&switched), origin(&switched)),
    });
    Ok(Exit::Clean)
}

fn lines(fuses: &[Value]) -> String {
    if fuses.is_empty() {
        return "the rules declare no fuses\n".to_owned();
    }
    let header = ["FUSE", "VALUE", "FROM", "VARIABLE", "RULES", "ABOUT"];
    let mut rows = vec![header.map(str::to_owned).into()];
    rows.extend(fuses.iter().map(|fuse| {
        let rules = fuse.get("rules").and_then(Value::as_array).map_or(0, Vec::len);
        vec![
            text(fuse, "fuse"),
            value(fuse).to_owned(),
            origin(fuse),
            text(fuse, "variable"),
            rules.to_string(),
            printable(field(fuse, "doc").lines().next().unwrap_or_default()),
        ]
    }));
    let changes: String = fuses.iter().map(changes).collect();
    format!("{}{}\n{changes}", table(&rows), counted(fuses.len(), "fuse"))
}

fn value(fuse: &Value) -> &'static str {
    match fuse.get("on").and_then(Value::as_bool) {
        Some(true) => "on",
        _ => "off",
    }
}

/// Where the value of a fuse comes from, for people.
fn origin(fuse: &Value) -> String {
    match (field(fuse, "origin"), fuse.get("switched")) {
        ("blown", Some(blown)) => format!("blown, {}", change(blown)),
        ("switched", Some(switch)) => format!("switched {}", change(switch)),
        ("environment", _) => format!("{} in the environment", text(fuse, "variable")),
        ("configuration", _) => "fuse.toml".to_owned(),
        _ => "the rules".to_owned(),
    }
}

/// The last changes of a fuse. Empty if there are none.
fn changes(fuse: &Value) -> String {
    let Some(changes) = fuse.get("changes").and_then(Value::as_array) else { return String::new() };
    let shown = changes.iter().take(MAX_CHANGES);
    let name = text(fuse, "fuse");
    shown.map(|one| format!("{name}: {} {}\n", text(one, "to"), change(one))).collect()
}

/// Who changed a fuse, when, for how long, and why.
fn change(switch: &Value) -> String {
    let lasts = match text(switch, "for").as_str() {
        "" => String::new(),
        lasts => format!(" for {lasts}"),
    };
    let reason = match text(switch, "reason").as_str() {
        "" => String::new(),
        reason => format!(" because: {reason}"),
    };
    format!("by {} at {}{lasts}{reason}", text(switch, "by"), seconds(field(switch, "at")))
}

/// A time without fractions of a second.
fn seconds(at: &str) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(at) => format!("{at:.0}"),
        Err(_) => printable(at),
    }
}
