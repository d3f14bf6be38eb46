//! Texts that look like an interpolation of another language, but are plain text.

use super::Checker;
use super::scope::Scope;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::path::ROOTS;
use crate::span::Span;

impl Checker<'_> {
    /// Warns about `$name`, `$.name` and `{{body.name}}` in a text if the name is part of the
    /// event.
    pub(super) fn warn_lookalikes(&mut self, span: Span, scope: &Scope) {
        let written = self.text(span);
        // In a raw string, this is intended.
        if !written.starts_with('"') {
            return;
        }
        let known = |name: &str| ROOTS.contains(&name) || scope.level(name).is_some();
        let found: Vec<Diagnostic> = candidates(written)
            .into_iter()
            .filter_map(|(start, end)| {
                let hole = written.get(start..end)?;
                let inner = hole.trim_matches(['$', '{', '}', ' ']);
                let path = match inner.strip_prefix('.') {
                    Some(rest) if hole.starts_with("$.") => format!("body.{rest}"),
                    // The syntax of other event-driven tools.
                    _ => inner
                        .strip_prefix("event.body")
                        .map_or_else(|| inner.to_owned(), |rest| format!("body{rest}")),
                };
                if !known(path.split(['.', '[']).next()?) {
                    return None;
                }
                let offset = |at: usize| span.start + u32::try_from(at).unwrap_or(0);
                let at = Span { start: offset(start), end: offset(end), ..span };
                let right = format!("${{{path}}}");
                Some(
                    Diagnostic::warning(Code::E0110, at, format!("`{hole}` is not filled in"))
                        .label("plain text")
                        .fix(Fix::new(format!("write `{right}`"), at, right)),
                )
            })
            .collect();
        self.problems.extend(found);
    }
}

/// The spans in a text that begin with `$` or `{{` as in another language.
fn candidates(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let step = rest.chars().next().map_or(1, char::len_utf8);
        if rest.starts_with('\\') {
            at += step + rest.chars().nth(1).map_or(0, char::len_utf8);
        } else if rest.starts_with("${") {
            at += hole_end(rest);
        } else if let Some(inside) = rest.strip_prefix("{{") {
            let end = inside.find("}}").map_or(rest.len(), |end| end + 4);
            found.push((at, at + end));
            at += end;
        } else if let Some(path) = rest.strip_prefix('$') {
            let path_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            let end = path.find(|c| !path_char(c)).unwrap_or(path.len());
            // A trailing full stop or hyphen belongs to the text and not to the path.
            let end = path.get(..end).unwrap_or("").trim_end_matches(['.', '-']).len();
            found.push((at, at + 1 + end));
            at += 1 + end;
        } else {
            at += step;
        }
    }
    found
}

/// The end of the `${…}` at the beginning of the text.
fn hole_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn lookalikes_are_found_but_not_interpolations_or_escapes() {
        let found = |text: &'static str| -> Vec<&str> {
            candidates(text).into_iter().map(|(start, end)| &text[start..end]).collect()
        };
        assert_eq!(found("hi $name."), ["$name"]);
        assert_eq!(found("$.a.b-c is {{ body.x }}!"), ["$.a.b-c", "{{ body.x }}"]);
        assert_eq!(found("${f({a = 1})} \\$x é$y"), ["$y"]);
        assert_eq!(found("{{ open"), ["{{ open"]);
        assert_eq!(found("5 $ and \\"), ["$"]);
    }
}
