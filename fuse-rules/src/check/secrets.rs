//! Secrets: rules name where a secret is stored, and never contain the secret. Secrets are only
//! allowed in fields for secrets, so they cannot be compared, interpolated or logged.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::FieldType;
use crate::span::Span;
use crate::syntax::ast::{self, Text};
use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// The functions that refer to a secret, with the names of their arguments.
const SECRET_FUNCTIONS: [(&str, &[&str]); 3] =
    [("secret", &["name", "key"]), ("env", &["name"]), ("file", &["path"])];

/// The most secrets of one field: the new one and the old one while it is rotated.
const MAX_SECRETS: usize = 2;

pub(super) fn is_secret_function(name: &str) -> bool {
    SECRET_FUNCTIONS.iter().any(|(place, _)| *place == name)
}

impl Checker<'_> {
    /// The value of a field for a secret: a record that says where the secret is stored.
    pub(super) fn secret(&mut self, value: &ast::Expr, key: &str) -> Expr {
        let span = value.span;
        let without = Expr { kind: ExprKind::Const(Value::Null), span };
        let ast::ExprKind::Call { function, arguments } = &value.kind else {
            self.report(not_a_secret(span, key, "not a reference to a secret"));
            return without;
        };
        let Some((place, takes)) =
            SECRET_FUNCTIONS.iter().find(|(place, _)| *place == function.text)
        else {
            self.report(not_a_secret(span, key, "not `secret`, `env` or `file`"));
            return without;
        };
        let texts: Vec<&String> = arguments
            .iter()
            .filter_map(|argument| match &argument.kind {
                ast::ExprKind::String(text) if !text.is_empty() => Some(text),
                _ => None,
            })
            .collect();
        if texts.len() != takes.len() || texts.len() != arguments.len() {
            self.report(
                Diagnostic::error(
                    Code::E0303,
                    span,
                    format!(
                        "`{place}` takes texts, written here as literals: {}",
                        takes.join(", ")
                    ),
                )
                .label("wrong arguments")
                .help(format!("write it as `{}`", example(place))),
            );
            return without;
        }
        let record: Vec<_> = takes
            .iter()
            .zip(texts)
            .map(|(name, text)| ((*name).into(), Value::text(text.clone())))
            .collect();
        let record = Value::Map(vec![((*place).into(), Value::Map(record))]);
        Expr { kind: ExprKind::Const(record), span }
    }

    /// The value of a field for one secret, or for two while it is rotated: a list of records like the one of
    /// [`Checker::secret`].
    pub(super) fn secrets(&mut self, value: &ast::Expr, key: &str) -> Expr {
        let items = match &value.kind {
            ast::ExprKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if items.is_empty() || items.len() > MAX_SECRETS {
            let message = format!("`{key}` takes {}", FieldType::Secrets.describe());
            let count = match items.len() {
                0 => "this list is empty".to_owned(),
                count => format!("this list has {count}"),
            };
            let problem = Diagnostic::error(Code::E0403, value.span, message).label(count);
            self.report(problem.help("list the new secret and the old one while both are in use"));
        }
        let refs = items.iter().filter_map(|item| match self.secret(item, key).kind {
            ExprKind::Const(Value::Null) => None,
            ExprKind::Const(value) => Some(value),
            _ => None,
        });
        Expr { kind: ExprKind::Const(Value::List(refs.collect())), span: value.span }
    }

    /// Reports a secret in an expression.
    pub(super) fn report_misplaced_secret(&mut self, name: &Text, span: Span) {
        self.report(
            Diagnostic::error(Code::E0314, span, "a secret is not allowed here")
                .label(format!("`{}` refers to a secret", name.text))
                .help("use it in a field that takes a secret; a secret is never compared, joined or logged"),
        );
    }
}

fn not_a_secret(span: Span, key: &str, label: &str) -> Diagnostic {
    let message = format!("`{key}` takes {}", FieldType::Secret.describe());
    Diagnostic::error(Code::E0403, span, message)
        .label(label)
        .help("keep the secret itself out of the rules: write where it is stored")
}

fn example(place: &str) -> &'static str {
    match place {
        "secret" => "secret(\"name\", \"key\")",
        "env" => "env(\"NAME\")",
        _ => "file(\"/path\")",
    }
}
