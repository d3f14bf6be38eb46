//! Whether a type accepts a value, read off the type as it was written: slow and obvious, for tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use crate::number::Number;
use crate::span::{FileId, Span};
use crate::standard;
use crate::syntax::ast::{File, Type, TypeKind, TypeValue};
use crate::syntax::parse;

/// Declared types, by their names.
pub(crate) struct Types {
    declared: BTreeMap<String, Type>,
}

impl Types {
    /// The types of a text, which must have no problems.
    pub(crate) fn parse(text: &str) -> Self {
        let mut problems = Vec::new();
        let tree = parse(FileId(0), text, &mut problems);
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        Self::of(tree)
    }

    /// The types of a module of the standard library.
    pub(crate) fn standard(module: &str) -> Self {
        Self::parse(standard::text(module).unwrap())
    }

    pub(crate) fn of(tree: File) -> Self {
        let declared = tree.types.into_iter().map(|decl| match decl.value {
            TypeValue::Type(ty) => (decl.name.text, ty),
            TypeValue::JsonSchema(name) => panic!("{} was not taken in", name.text),
        });
        Self { declared: declared.collect() }
    }

    /// Why the declared type does not accept the value, beginning with where.
    pub(crate) fn check(&self, name: &str, value: &Json) -> Result<(), String> {
        let span = Span::new(FileId(0), 0..0);
        let kind = TypeKind::Name { module: None, name: name.into() };
        self.accepts(&Type { kind, span }, value)
    }

    pub(crate) fn accepts(&self, ty: &Type, value: &Json) -> Result<(), String> {
        let text = value.as_str();
        let fits = match &ty.kind {
            TypeKind::Name { module: Some(module), name } => {
                return Self::standard(module).check(name, value);
            }
            TypeKind::Name { module: None, name } => match name.as_str() {
                "any" => true,
                "null" => value.is_null(),
                "bool" => value.is_boolean(),
                "float" => value.is_number(),
                "int" => number(value).is_some_and(Number::is_integral),
                "string" => text.is_some(),
                "timestamp" => text.is_some_and(|text| text.parse::<Timestamp>().is_ok()),
                "bytes" => text.is_some_and(is_base64),
                _ => match self.declared.get(name) {
                    Some(ty) => return self.accepts(ty, value),
                    None => panic!("there is no type {name}"),
                },
            },
            TypeKind::String(literal) => text == Some(literal),
            TypeKind::Number(literal) => number(value) == Some(*literal),
            TypeKind::Bool(literal) => value.as_bool() == Some(*literal),
            TypeKind::List(inner) => match value {
                Json::Array(items) => {
                    return items.iter().enumerate().try_for_each(|(index, item)| {
                        self.accepts(inner, item).map_err(|why| format!("/{index}{why}"))
                    });
                }
                _ => false,
            },
            TypeKind::Map(inner) => match value {
                Json::Object(entries) => {
                    return entries.iter().try_for_each(|(key, value)| {
                        self.accepts(inner, value).map_err(|why| format!("/{key}{why}"))
                    });
                }
                _ => false,
            },
            TypeKind::Record { fields, open } => {
                let Json::Object(entries) = value else {
                    return Err(format!(": {value} is no record"));
                };
                for field in fields {
                    let key = &field.key.text;
                    match entries.get(key) {
                        Some(value) => {
                            self.accepts(&field.ty, value).map_err(|why| format!("/{key}{why}"))?
                        }
                        None if field.optional => {}
                        None => return Err(format!("/{key}: missing")),
                    }
                }
                let known = |key: &String| fields.iter().any(|field| field.key.text == *key);
                *open || entries.keys().all(known)
            }
            TypeKind::Union(all) => {
                let whys: Vec<_> = all.iter().map(|ty| self.accepts(ty, value)).collect();
                if whys.iter().any(Result::is_ok) {
                    return Ok(());
                }
                // The one that came furthest says most.
                let far = |why: &String| why.split(':').next().map_or(0, str::len);
                let why = whys.into_iter().filter_map(Result::err).max_by_key(far);
                return Err(why.unwrap_or_default());
            }
            TypeKind::Error => false,
        };
        if fits { Ok(()) } else { Err(format!(": {value} does not fit")) }
    }
}

/// The number, exactly; one that cannot be held is a whole one.
fn number(value: &Json) -> Option<Number> {
    let number = value.as_number()?;
    Some(Number::parse(&number.to_string()).unwrap_or(Number::ZERO))
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    text.len().is_multiple_of(4) && text.len() - body.len() <= 2 && body.bytes().all(letter)
}
