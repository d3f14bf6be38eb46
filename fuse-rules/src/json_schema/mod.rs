//! Converts JSON Schema to types: drafts 2020-12 and 07, one file. Constraints that a type cannot
//! express are left out, so that the type accepts every value that the schema accepts. A schema
//! that would lose its purpose that way is a problem.

mod emit;
mod read;
mod sets;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Code, Diagnostic};
use crate::event::json_fault;
use crate::loader::{Loader, resolved};
use crate::span::{Files, Place, Span};
use crate::syntax::ast::{File, Text, Type, TypeKind, TypeValue};
use crate::value::Value;

/// The maximum size of a file in bytes.
const MAX_FILE_BYTES: usize = 4 << 20;

/// Replaces the names of JSON Schema files with their types. The files are read through the loader
/// and added to `files`, so that a change to one of them is a change to the rules.
pub(crate) fn resolve_imports(
    tree: &mut File,
    from: &str,
    files: &mut Files,
    loader: &dyn Loader,
    problems: &mut Vec<Diagnostic>,
) {
    for decl in &mut tree.types {
        let TypeValue::JsonSchema(used) = &decl.value else { continue };
        let name = resolved(from, &used.text);
        let imported = load(&name, used, files, loader)
            .map_err(|problem| vec![*problem])
            .and_then(|text| import(&name, &text, used.span));
        decl.value = TypeValue::Type(match imported {
            Ok(Imported { doc, ty }) => {
                decl.doc = decl.doc.take().or(doc);
                ty
            }
            Err(found) => {
                problems.extend(found);
                Type { kind: TypeKind::Error, span: used.span }
            }
        });
    }
}

fn load(
    name: &str,
    used: &Text,
    files: &mut Files,
    loader: &dyn Loader,
) -> Result<String, Box<Diagnostic>> {
    if let Some(file) = files.iter().find(|file| file.name() == name) {
        return Ok(file.text().to_owned());
    }
    match loader.load(name) {
        Ok(text) => {
            files.add(name.to_owned(), text.clone());
            Ok(text)
        }
        Err(why) => {
            let message = format!("`{name}` cannot be read: {why}");
            Err(Box::new(
                Diagnostic::error(Code::E0504, used.span, message)
                    .label("imported here")
                    .help("the name is relative to the rules file that imports it"),
            ))
        }
    }
}

/// The type and description of a schema.
#[derive(Debug)]
struct Imported {
    /// Its description.
    doc: Option<String>,
    ty: Type,
}

/// Converts the text of a schema; every span in the type is `span`.
fn import(name: &str, text: &str, span: Span) -> Result<Imported, Vec<Diagnostic>> {
    let problem = |message| vec![Diagnostic::error(Code::E0508, span, message)];
    if text.len() > MAX_FILE_BYTES {
        let limit = MAX_FILE_BYTES >> 20;
        return Err(problem(format!("`{name}` is larger than the limit of {limit} MiB")));
    }
    if let Some((Place { line, column }, fault)) = json_fault(text) {
        let message = format!("`{name}` is {fault} at line {line}, column {column}");
        return Err(problem(message));
    }
    let schema = Value::read(text).map_err(|twice| {
        problem(format!("`{name}` has the key `{}` twice in one object", twice.0))
    })?;
    let (set, faults) = read::read(&schema);
    if faults.is_empty() {
        return Ok(Imported { doc: read::doc(&schema), ty: emit::emit(set, span) });
    }
    let problems = faults.into_iter().map(|fault| {
        let at = if fault.at.is_empty() { String::new() } else { format!(" at `{}`", fault.at) };
        let message = format!("`{name}`{at}: {}", fault.message);
        Diagnostic::error(Code::E0508, span, message).label("imported here").maybe_help(fault.help)
    });
    Err(problems.collect())
}
