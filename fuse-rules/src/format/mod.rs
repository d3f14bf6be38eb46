//! One layout for all rules files. It depends only on the tokens of a file, not on their previous
//! layout. Comments stay next to the same tokens.

mod blocks;
mod clauses;
mod declarations;
mod doc;
mod expressions;
mod gap;
mod layout;
mod order;
mod print;
#[cfg(test)]
mod tests;
mod texts;
mod types;
mod verify;

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::span::Files;
use crate::syntax;

/// Formats a rules file in the canonical layout.
///
/// There are no options: the layout follows from the rules and their comments, so a file has
/// exactly one. Names and types are not resolved, so rules that do not pass the checks can be
/// formatted, too. The result is parsed again and compared: it has the same meaning and the same
/// comments.
///
/// ```
/// let text = "sensor s on a.b{requires c when body.n>3 # enough\nrule r{trigger log{message=\"n\"}}}";
/// assert_eq!(fuse_rules::format("s.rules", text)?, r#"sensor s on a.b {
///   requires c
///   when body.n > 3  # enough
///
///   rule r {
///     trigger log {
///       message = "n"
///     }
///   }
/// }
/// "#);
/// assert!(fuse_rules::format("s.rules", "sensor s on a.b { when }").is_err());
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
///
/// # Errors
/// All syntax errors of the file. They refer to it as `name`.
pub fn format(name: &str, text: &str) -> Result<String, Diagnostics> {
    let mut files = Files::default();
    let file = files.add(name.to_owned(), text.to_owned());
    let mut problems = Vec::new();
    syntax::parse(file, text, &mut problems);
    if problems.is_empty() {
        let laid_out = syntax::pieces(text).map(|pieces| declarations::file(text, pieces));
        match laid_out {
            Some(laid_out) if verify::is_same(text, &laid_out) => return Ok(laid_out),
            _ => problems.push(fault(name)),
        }
    }
    Err(Diagnostics::new(files, problems))
}

/// The problem if a layout does not have the same meaning.
fn fault(name: &str) -> Diagnostic {
    let message = format!("the layout of `{name}` would change its meaning; this is a bug in fuse");
    Diagnostic::without_place(Code::E0901, message)
        .help("the file is not changed; please report this with the file")
}
