//! `fuse fuses`

use serde_json::Value;

use super::target::{Target, field, formatted, table, text};
use super::{Ended, async_runtime, counted};
use crate::cli::FuseList;
use crate::output::printable;
use crate::{Exit, output};

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

fn lines(fuses: &[Value]) -> String {
    if fuses.is_empty() {
        return "the rules declare no fuses\n".to_owned();
    }
    let mut rows = vec![["FUSE", "VALUE", "VARIABLE", "RULES", "ABOUT"].map(str::to_owned).into()];
    rows.extend(fuses.iter().map(|fuse| {
        let is_on = fuse.get("on").and_then(Value::as_bool).unwrap_or_default();
        let rules = fuse.get("rules").and_then(Value::as_array).map_or(0, Vec::len);
        vec![
            text(fuse, "fuse"),
            if is_on { "on".to_owned() } else { "off".to_owned() },
            text(fuse, "variable"),
            rules.to_string(),
            printable(field(fuse, "doc").lines().next().unwrap_or_default()),
        ]
    }));
    format!("{}{}\n", table(&rows), counted(fuses.len(), "fuse"))
}
