//! Files that fields include, such as a manifest. Each is loaded once.

use rustc_hash::FxHashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::loader::{Loader, resolved};
use crate::span::{Files, Span};
use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// The files of the rules, and those that their fields include.
pub(super) struct IncludedFiles<'a> {
    files: Files,
    loader: &'a dyn Loader,
    read: FxHashMap<String, Result<String, String>>,
    /// How many fields have included a file.
    pub(super) included: usize,
}

impl<'a> IncludedFiles<'a> {
    pub(super) fn new(files: Files, loader: &'a dyn Loader) -> Self {
        Self { files, loader, read: FxHashMap::default(), included: 0 }
    }

    /// The name of the file that contains a span.
    pub(super) fn file_name(&self, span: Span) -> String {
        self.files.get(span.file).map_or_else(String::new, |file| file.name().to_owned())
    }

    pub(super) fn text(&self, span: Span) -> &str {
        self.files.text(span)
    }

    pub(super) fn into_files(self) -> Files {
        self.files
    }

    fn read(&mut self, name: String) -> Result<String, String> {
        self.included += 1;
        if let Some(known) = self.read.get(&name) {
            return known.clone();
        }
        let text = self.loader.load(&name).map_err(|why| why.to_string());
        if let Ok(text) = &text {
            self.files.add(name.clone(), text.clone());
        }
        self.read.insert(name, text.clone());
        text
    }
}

impl Checker<'_> {
    /// Replaces the name of a file by its text.
    pub(super) fn include(&mut self, expr: Expr, key: &str) -> Expr {
        let ExprKind::Const(Value::String(used)) = &expr.kind else {
            let problem = format!("`{key}` must be the name of a file, in quotes");
            self.error(Code::E0405, expr.span, problem, "this is not a literal");
            return expr;
        };
        // The name is relative to the file that contains the expression, which may be that of the
        // `defaults`.
        let from = self.included_files.files.get(expr.span.file);
        let name = resolved(from.map_or("", |file| file.name()), used);
        match self.included_files.read(name.clone()) {
            Ok(text) => Expr { kind: ExprKind::Const(Value::String(text.into())), ..expr },
            Err(why) => {
                self.report(
                    Diagnostic::error(
                        Code::E0504,
                        expr.span,
                        format!("`{name}` cannot be read: {why}"),
                    )
                    .label("included here")
                    .help("the name of a file is relative to the rules file that includes it"),
                );
                expr
            }
        }
    }
}
