//! Reports spellings of other languages. Each becomes one problem that names the correct spelling,
//! with a fix.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{Expr, ExprKind, Text};
use super::lower::Lower;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::path::ROOTS;
use crate::span::Span;

impl Lower<'_> {
    /// Reports a spelling with exactly one correct spelling.
    pub(super) fn alien(&mut self, span: Span, right: &str) {
        let fix = Fix::safe(format!("write `{right}`"), span, self.with_spaces(span, right));
        self.alien_with(span, right, fix);
    }

    /// Like [`Self::alien`], with a more specific fix.
    pub(super) fn alien_with(&mut self, span: Span, right: &str, fix: Fix) {
        let wrong = self.written(span).to_owned();
        let problem =
            Diagnostic::error(Code::E0102, span, format!("`{wrong}` is written `{right}` here"))
                .label("a spelling of another language")
                .fix(fix);
        self.report(problem);
    }

    pub(super) fn written(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or("")
    }

    /// The replacement text, with spaces where it would otherwise touch a neighbouring word.
    fn with_spaces(&self, span: Span, text: &str) -> String {
        let word = |c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '"' | '\'' | '(' | ')' | ']' | '!' | '$')
        };
        let begins = text.starts_with(|c: char| c.is_alphanumeric());
        let ends = text.ends_with(|c: char| c.is_alphanumeric());
        let before = self.text.get(..span.range().start).is_some_and(|t| t.ends_with(word));
        let after = self.text.get(span.range().end..).is_some_and(|t| t.starts_with(word));
        let blank = |needed: bool| if needed { " " } else { "" };
        format!("{}{text}{}", blank(begins && before), blank(ends && after))
    }

    /// `!x`. Other languages bind it tighter than a comparison; this one does not.
    pub(super) fn alien_not(&mut self, span: Span, value: &Expr) {
        let alone = matches!(
            value.kind,
            ExprKind::Paren(_)
                | ExprKind::Path { .. }
                | ExprKind::Call { .. }
                | ExprKind::Quantifier { .. }
                | ExprKind::Not(_)
        );
        let fix = Fix::new("write `not`", span, self.with_spaces(span, "not")).safe_if(alone);
        self.alien_with(span, "not", fix);
    }

    /// A string in single quotes or backquotes.
    pub(super) fn alien_string(&mut self, pair: &Pair<'_, Rule>) -> Text {
        let span = self.span(pair);
        let written = pair.as_str();
        let text = written.get(1..written.len().saturating_sub(1)).unwrap_or("").to_owned();
        let right = format!("\"{}\"", text.replace("\\'", "'").replace('"', "\\\""));
        // Escapes and `${` mean something else in double quotes.
        let plain = !text.contains(['\\', '$']) && written.starts_with('\'');
        let fix = Fix::new(format!("write `{right}`"), span, right).safe_if(plain);
        let label = if written.starts_with('\'') { "single quotes" } else { "back-quotes" };
        self.report(
            Diagnostic::error(Code::E0102, span, "strings are written in double quotes")
                .label(label)
                .fix(fix),
        );
        Text { text, span }
    }

    /// `$` for the body, `$name` for a name.
    pub(super) fn alien_root(&mut self, span: Span, alone: bool) -> ExprKind {
        let name = self.written(span).trim_start_matches('$').to_owned();
        if !name.is_empty() {
            self.alien(span, &name);
            return ExprKind::Error;
        }
        if alone {
            self.report(
                Diagnostic::error(Code::E0102, span, "`$` is not a name")
                    .label("a spelling of another language")
                    .help("the body of the event is `body`, and a field of it is `body.name`"),
            );
            return ExprKind::Error;
        }
        // In `$.body.name`, the root already follows the `$`.
        let after = self.text.get(span.range().end..).unwrap_or("");
        let named = after.strip_prefix('.').map_or("", |rest| {
            rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("")
        });
        if ROOTS.contains(&named) {
            let with_dot = Span { end: span.end + 1, ..span };
            self.alien_with(span, named, Fix::safe(format!("write `{named}`"), with_dot, ""));
            return ExprKind::Error;
        }
        self.alien(span, "body");
        ExprKind::Path { root: Text { text: "body".into(), span }, steps: Vec::new() }
    }

    /// `{{ body.x }}` and `${body.x}`, outside a string.
    pub(super) fn alien_hole(&mut self, span: Span) -> ExprKind {
        let written = self.written(span).to_owned();
        let inner = written.trim_matches(['{', '}', '$', ' ', '\t']);
        let path = inner.trim_start_matches('.');
        let root = path.split(['.', '[']).next().unwrap_or("");
        // `{{ .Values.a }}` belongs to another tool.
        let ours = ROOTS.contains(&root) || inner == path;
        let readable = ours
            && !path.is_empty()
            && path
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '[' | ']'));
        let mut problem =
            Diagnostic::error(Code::E0102, span, "a value is written here without braces")
                .label("a spelling of another language");
        if readable {
            let fix = Fix::new(format!("write `{path}`"), span, path);
            problem = problem.fix(fix.safe_if(ROOTS.contains(&root) && inner == path));
        } else {
            problem =
                problem.help("write the value, as in `body.name`; `${…}` works only in strings");
        }
        self.report(problem);
        ExprKind::Error
    }

    /// White space between a function's name and its arguments.
    pub(super) fn alien_gap(&mut self, span: Span, function: &str) {
        let at = Span { start: span.start, end: span.end + 1, ..span };
        self.report(
            Diagnostic::error(
                Code::E0102,
                at,
                format!("the `(` must directly follow `{function}`"),
            )
            .label("separated from the name")
            .fix(Fix::safe(format!("write `{function}(`"), span, "")),
        );
    }

    /// `4 h` and `10min`: returns the duration in the correct spelling.
    pub(super) fn alien_duration(&mut self, span: Span) -> String {
        let written = self.written(span);
        let digits: String = written.chars().take_while(char::is_ascii_digit).collect();
        let unit = match written
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ' || c == '\t')
        {
            "ms" => "ms",
            word if word.starts_with("mil") || word.starts_with("ms") => "ms",
            word => word.get(..1).unwrap_or(""),
        };
        let right = format!("{digits}{unit}");
        self.alien(span, &right);
        right
    }

    /// A character that ends a clause or declaration in other languages.
    pub(super) fn alien_end(&mut self, pair: &Pair<'_, Rule>) {
        let span = self.span(pair);
        let mark = pair.as_str();
        self.report(
            Diagnostic::error(Code::E0102, span, format!("`{mark}` is not allowed here"))
                .label("clauses and declarations have no terminator")
                .fix(Fix::safe(format!("remove the `{mark}`"), span, "")),
        );
    }

    /// A colon after the keyword of a clause.
    pub(super) fn alien_colon(&mut self, pair: &Pair<'_, Rule>) {
        let span = self.span(pair);
        self.report(
            Diagnostic::error(Code::E0102, span, "a clause has no `:` after its keyword")
                .label("a spelling of another language")
                .fix(Fix::safe("remove the `:`", span, "")),
        );
    }

    /// `;` between fields.
    pub(super) fn alien_semicolon(&mut self, pair: &Pair<'_, Rule>) {
        let span = self.span(pair);
        let after = self.text.get(span.range().end..).unwrap_or("").trim_start_matches([' ', '\t']);
        let last = after.is_empty() || after.starts_with(['\n', '\r', '}', '#', ';', ',']);
        let fix = if last {
            Fix::safe("remove the `;`", span, "")
        } else {
            Fix::safe("write `,`", span, ",")
        };
        self.report(
            Diagnostic::error(Code::E0102, span, "fields are separated by a line end or a comma")
                .label("a spelling of another language")
                .fix(fix),
        );
    }

    /// A field with `:` or similar. `None` if its value is not one of our expressions.
    pub(super) fn alien_assign(
        &mut self,
        mark: Span,
        key_end: u32,
        value: Option<Expr>,
        value_span: Span,
    ) -> Option<Expr> {
        let written = self.written(value_span).trim_end().to_owned();
        let value_span = Span {
            end: value_span.start + u32::try_from(written.len()).unwrap_or(0),
            ..value_span
        };
        let bare = match &value {
            None => true,
            Some(Expr { kind: ExprKind::Path { root, steps }, .. }) => {
                steps.is_empty() && !ROOTS.contains(&root.text.as_str())
            }
            Some(Expr { kind: ExprKind::Arith { .. }, .. }) => {
                !written.contains(['"', '(']) && !ROOTS.iter().any(|root| written.starts_with(root))
            }
            Some(_) => false,
        };
        let gap = Span { start: key_end, end: value_span.start, ..mark };
        let message = format!("`{}` is written `=` here", self.written(mark));
        let problem =
            Diagnostic::error(Code::E0102, mark, message).label("a field is `name = value`");
        if bare {
            let right = format!("\"{}\"", written.replace('\\', "\\\\").replace('"', "\\\""));
            let title = format!("write `= {right}`; a path of the event has no quotes");
            self.report(problem.fix(Fix::new(title, gap, " = ").and(value_span, right)));
            return None;
        }
        self.report(problem.fix(Fix::safe("write `=`", gap, " = ")));
        value
    }

    /// `spec.replicas = 3`.
    pub(super) fn alien_key(&mut self, key: Span, whole: Option<Span>) {
        let written = self.written(key).to_owned();
        let mut parts: Vec<&str> = written.split('.').collect();
        let last = parts.pop().unwrap_or("");
        let nested = format!("{} = {{ {last}", parts.join(" = { "));
        let closing = " }".repeat(parts.len());
        let mut problem = Diagnostic::error(Code::E0102, key, "the key of a field has no dots")
            .label("a path, not a name");
        let title = format!("write `{nested} = …{closing}`, or \"{written}\" for a key with dots");
        problem = match whole {
            Some(whole) => {
                let end = Span { start: whole.end, ..whole };
                problem.fix(Fix::new(title, key, nested).and(end, closing))
            }
            None => problem.help(title),
        };
        self.report(problem);
    }
}
