//! `fuse fmt`

use std::io::{self, Read as _};
use std::path::Path;

use fuse_rules::Loader as _;
use fuse_rules::diagnostic::Style;
use fuse_runtime::{Disk, rule_files};
use similar::TextDiff;

use super::replace::replace;
use super::{Ended, problems};
use crate::cli::{Fmt, Format};
use crate::{Exit, output};

pub(crate) fn run(arguments: &Fmt) -> Ended {
    let is_input = |path: &Path| path == Path::new("-");
    match arguments.paths.as_slice() {
        [path] if is_input(path) => return standard_input(arguments),
        paths if paths.iter().any(|path| is_input(path)) => {
            return Err(
                "`-` reads standard input and cannot be combined with other paths".to_owned()
            );
        }
        _ => {}
    }
    let mut files = rule_files(&arguments.paths).map_err(|error| error.to_string())?;
    files.sort();
    files.dedup();
    let (mut changed, mut unchanged, mut broken, mut exit) = (0, 0, 0, Exit::Clean);
    for file in &files {
        let text = Disk.load(file).map_err(|why| format!("`{file}` cannot be read: {why}"))?;
        match fuse_rules::format(file, &text) {
            Err(diagnostics) => {
                broken += 1;
                exit = problems(&diagnostics, Format::Text);
            }
            Ok(formatted) if formatted == text => unchanged += 1,
            Ok(formatted) => {
                changed += 1;
                if !would_change(arguments, file, &text, &formatted) {
                    replace(Path::new(file), &formatted)
                        .map_err(|error| format!("`{file}` cannot be written: {error}"))?;
                    output::print(&format!("formatted {file}\n"));
                } else if arguments.check {
                    exit = Exit::Problems;
                }
            }
        }
    }
    if !arguments.diff {
        let would = if arguments.check { "would change" } else { "changed" };
        let broken = match broken {
            0 => String::new(),
            1 => ", 1 does not parse".to_owned(),
            several => format!(", {several} do not parse"),
        };
        output::print(&format!("{changed} {would}, {unchanged} unchanged{broken}\n"));
    }
    Ok(exit)
}

/// Formats standard input, and prints the result or the problems.
fn standard_input(arguments: &Fmt) -> Ended {
    const NAME: &str = "standard input";
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("{NAME} cannot be read: {error}"))?;
    match fuse_rules::format(NAME, &text) {
        Err(diagnostics) => {
            output::print_aside(&diagnostics.to_text(Style::Colour));
            Ok(Exit::Problems)
        }
        Ok(formatted) if arguments.check || arguments.diff => {
            let changes = formatted != text && would_change(arguments, NAME, &text, &formatted);
            Ok(if changes && arguments.check { Exit::Problems } else { Exit::Clean })
        }
        Ok(formatted) => {
            output::print(&formatted);
            Ok(Exit::Clean)
        }
    }
}

/// Says how a file would change, where it is only asked for that.
fn would_change(arguments: &Fmt, name: &str, text: &str, formatted: &str) -> bool {
    if arguments.diff {
        let diff = TextDiff::from_lines(text, formatted);
        output::print(&diff.unified_diff().header(name, name).to_string());
    } else if arguments.check {
        output::print(&format!("would format {name}\n"));
    }
    arguments.check || arguments.diff
}
