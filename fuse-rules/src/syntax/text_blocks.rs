//! Text blocks: texts on several lines, which lose the indentation of the closing quotes.

use pest::iterators::Pair;

use super::Rule;
use super::ast::TextPart;
use super::lower::Lower;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;

/// White space that indents a line.
pub(super) const INDENT: [char; 2] = [' ', '\t'];

/// A line of a text block, from the line of the opening quotes to the line of the closing quotes.
pub(super) struct BlockLine<'a> {
    /// The byte after its indentation.
    pub(super) start: usize,
    pub(super) indent: &'a str,
    /// Its content; text without `${…}` is one part.
    pub(super) parts: Vec<TextPart>,
    /// The byte after its content.
    pub(super) end: usize,
}

impl<'a> BlockLine<'a> {
    /// A line without content yet.
    pub(super) fn new(at: usize, indent: &'a str) -> Self {
        let start = at + indent.len();
        Self { start, indent, parts: Vec::new(), end: start }
    }

    pub(super) fn push(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(TextPart::Text(last)) => last.push_str(text),
            _ => self.parts.push(TextPart::Text(text.to_owned())),
        }
    }
}

/// Splits the text between the quotes of a raw string. A line break is LF, CRLF or CR.
pub(crate) fn raw_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r']) {
        let (line, tail) = rest.split_at(at);
        lines.push(line);
        rest = tail.strip_prefix("\r\n").or_else(|| tail.get(1..)).unwrap_or("");
    }
    lines.push(rest);
    lines
}

/// The indentation after a line break.
pub(crate) fn indent_of(line_break: &str) -> &str {
    line_break.trim_start_matches(['\n', '\r'])
}

/// The indentation of the closing quotes of a `text_block`.
pub(crate) fn closing_indent<'a>(block: &Pair<'a, Rule>) -> &'a str {
    let breaks = block.clone().into_inner().filter(|part| part.as_rule() == Rule::block_break);
    breaks.last().map_or("", |last| indent_of(last.as_str()))
}

impl Lower<'_> {
    /// Joins the lines of a block. `None` if its layout is wrong, which is reported.
    pub(super) fn block_value(
        &mut self,
        span: Span,
        lines: Vec<BlockLine<'_>>,
    ) -> Option<Vec<TextPart>> {
        let mut lines = lines.into_iter();
        let (first, last) = (lines.next()?, lines.next_back());
        let quotes = |at: usize, len: usize| Span::new(span.file, at..at + len);
        let opening = self.text.get(first.start..first.end).unwrap_or("");
        if last.is_none() || !opening.trim_matches(INDENT).is_empty() {
            let at = Span::new(span.file, first.start..first.end.max(first.start + 1));
            let message = "a text block begins on the line after its opening quotes";
            self.report_layout(at, message, "move this to its own line");
            return None;
        }
        let last = last?;
        let closing = usize::try_from(span.end).ok()?.checked_sub(last.end)?;
        let closing = quotes(last.end, closing);
        if !last.parts.is_empty() {
            let message = "the closing quotes of a text block need their own line";
            self.report_layout(closing, message, "move these to the next line");
            return None;
        }
        let mut text = Vec::new();
        for (i, line) in lines.enumerate() {
            if i > 0 {
                push_text(&mut text, "\n");
            }
            if line.parts.is_empty() {
                continue;
            }
            let Some(kept) = line.indent.strip_prefix(last.indent) else {
                let shorter = last.indent.starts_with(line.indent);
                let message = match shorter {
                    true => "this line is indented less than the closing quotes of its text",
                    false => {
                        "this line mixes tabs and spaces differently from the closing quotes of its text"
                    }
                };
                let label = format!("needs {} before it", shown(last.indent));
                self.report(
                    Diagnostic::error(
                        Code::E0111,
                        Span::new(span.file, line.start..line.end),
                        message,
                    )
                    .label(label)
                    .related(closing, "each line loses the indentation of these quotes")
                    .help("indent the line further, or move the closing quotes to the left"),
                );
                return None;
            };
            push_text(&mut text, kept);
            for part in line.parts {
                match part {
                    TextPart::Text(part) => push_text(&mut text, &part),
                    expr @ TextPart::Expr(_) => text.push(expr),
                }
            }
        }
        Some(text)
    }

    fn report_layout(&mut self, at: Span, message: &str, label: &str) {
        self.report(
            Diagnostic::error(Code::E0111, at, message)
                .label(label)
                .help("the first and the last line break do not belong to the text, and each line loses the indentation of the closing quotes"),
        );
    }
}

fn push_text(parts: &mut Vec<TextPart>, text: &str) {
    match parts.last_mut() {
        Some(TextPart::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(TextPart::Text(text.to_owned())),
    }
}

/// An indentation in words: `4 spaces`, `2 tabs`, or as an escaped text.
fn shown(indent: &str) -> String {
    let count = indent.chars().count();
    let s = if count == 1 { "" } else { "s" };
    if indent.chars().all(|c| c == ' ') {
        format!("{count} space{s}")
    } else if indent.chars().all(|c| c == '\t') {
        format!("{count} tab{s}")
    } else {
        format!("`{}`", indent.escape_default())
    }
}
