//! `fuse explain-code`

use fuse_rules::diagnostic::{Code, Topic};
use fuse_rules::lint::Lint;

use super::Ended;
use crate::cli::ExplainCode;
use crate::{Exit, output};

pub(crate) fn run(arguments: &ExplainCode) -> Ended {
    match &arguments.code {
        Some(code) => {
            let topic = topic(code)
                .map_err(|why| format!("{why}\n`fuse explain-code` lists all codes and lints"))?;
            output::print(&topic.page());
        }
        None => {
            let lints = Lint::all().map(Topic::Lint);
            let topics: Vec<Topic> =
                Code::ALL.iter().copied().map(Topic::Code).chain(lints).collect();
            let width = topics.iter().map(|topic| topic.as_str().len()).max().unwrap_or(0);
            for topic in topics {
                let name = topic.as_str();
                let width = if matches!(topic, Topic::Code(_)) { name.len() } else { width };
                output::print(&format!("{name:width$}  {}\n", topic.title()));
            }
        }
    }
    Ok(Exit::Clean)
}

/// A code (case does not matter), or a lint.
fn topic(name: &str) -> Result<Topic, String> {
    let code = match name.parse::<Code>() {
        Ok(code) => return Ok(code.into()),
        Err(unknown) => unknown,
    };
    match Lint::find(&name.to_ascii_lowercase()) {
        Ok(lint) => Ok(Topic::Lint(lint)),
        // A hyphen, or a lint with a similar name, suggests that a lint was meant.
        Err(unknown) if name.contains('-') || unknown.near().is_some() => Err(unknown.to_string()),
        Err(_) => Err(code.to_string()),
    }
}
