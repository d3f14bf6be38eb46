//! Declared types: resolves every name once, in dependency order.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::FxHashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::event::MAX_DEPTH;
use crate::span::Span;
use crate::stdlib;
use crate::syntax::ast::{self, Text, TypeKind, TypeValue};
use crate::types::BUILT_IN;
use crate::types::{Format, Record, RecordMember, Rest, Ty};
use crate::value::Value;

/// The maximum size of all types together: fields, literals and alternatives. A type that includes
/// the alternatives of another repeats them.
const MAX_TYPES_SIZE: usize = 1_000_000;

/// The declared types that are resolved so far.
#[derive(Default)]
pub(super) struct Types {
    resolved: FxHashMap<usize, Resolved>,
    /// Their total size.
    size: usize,
}

/// A type, and how deep its lists and maps nest.
#[derive(Clone)]
struct Resolved {
    ty: Ty,
    depth: usize,
}

impl Resolved {
    fn flat(ty: Ty) -> Self {
        Self { ty, depth: 0 }
    }

    fn any() -> Self {
        Self::flat(Ty::any())
    }
}

impl Checker<'_> {
    /// Resolves all declared types.
    pub(super) fn resolve_types(&mut self) {
        let names = self.names;
        let all = names.types();
        let mut visited = vec![false; all.len()];
        let mut on_the_way = vec![false; all.len()];
        for start in 0..all.len() {
            // Depth first without recursion, because chains of types may be long.
            let mut stack: Vec<(usize, Vec<(usize, Span)>)> = Vec::new();
            self.visit(start, &mut visited, &mut on_the_way, &mut stack);
            while let Some((at, waiting)) = stack.last_mut() {
                let at = *at;
                if let Some((next, span)) = waiting.pop() {
                    if on_the_way.get(next).copied().unwrap_or(false) {
                        self.report_type_cycle(span);
                    } else {
                        self.visit(next, &mut visited, &mut on_the_way, &mut stack);
                    }
                    continue;
                }
                stack.pop();
                if let Some(mark) = on_the_way.get_mut(at) {
                    *mark = false;
                }
                if let Some(decl) = all.get(at) {
                    let resolved = self.declared_type(decl);
                    self.types.resolved.insert(at, resolved);
                }
            }
        }
    }

    fn visit(
        &mut self,
        at: usize,
        visited: &mut [bool],
        on_the_way: &mut [bool],
        stack: &mut Vec<(usize, Vec<(usize, Span)>)>,
    ) {
        let (Some(seen), Some(mark)) = (visited.get_mut(at), on_the_way.get_mut(at)) else {
            return;
        };
        if std::mem::replace(seen, true) {
            return;
        }
        *mark = true;
        let mut made_of = Vec::new();
        if let Some(ast::TypeDecl { value: TypeValue::Type(ty), .. }) = self.names.types().get(at) {
            self.references(ty, &mut made_of);
        }
        stack.push((at, made_of));
    }

    /// The declared types that a type refers to.
    fn references(&self, ty: &ast::Type, found: &mut Vec<(usize, Span)>) {
        match &ty.kind {
            TypeKind::Name { module, name } => {
                if let Ok(index) = self.names.ty(module.as_deref(), name, ty.span) {
                    found.push((index, ty.span));
                }
            }
            TypeKind::List(inner) | TypeKind::Map(inner) => self.references(inner, found),
            TypeKind::Union(all) => all.iter().for_each(|ty| self.references(ty, found)),
            TypeKind::Record { fields, .. } => {
                fields.iter().for_each(|field| self.references(&field.ty, found));
            }
            _ => {}
        }
    }

    fn report_type_cycle(&mut self, span: Span) {
        self.report(
            Diagnostic::error(Code::E0218, span, "this type contains itself")
                .label("leads back to the type that contains it")
                .help("write `any` where it would repeat"),
        );
    }

    fn declared_type(&mut self, decl: &ast::TypeDecl) -> Resolved {
        let name = &decl.name;
        if BUILT_IN.contains(&name.text.as_str()) {
            self.report(
                Diagnostic::error(
                    Code::E0207,
                    name.span,
                    format!("`{}` is a type of the language", name.text),
                )
                .label("taken")
                .help("choose another name"),
            );
        }
        match &decl.value {
            TypeValue::Type(ty) => self.type_of(ty),
            TypeValue::JsonSchema(_) => Resolved::any(),
        }
    }

    /// A type that is used in the rules.
    pub(super) fn resolve(&mut self, ty: &ast::Type) -> Ty {
        self.type_of(ty).ty
    }

    fn type_of(&mut self, ty: &ast::Type) -> Resolved {
        let resolved = match &ty.kind {
            TypeKind::Error => Resolved::any(),
            TypeKind::String(text) => Resolved::flat(Ty::from_value(&Value::text(text.as_str()))),
            TypeKind::Number(number) => Resolved::flat(Ty::from_value(&Value::Number(*number))),
            TypeKind::Bool(truth) => Resolved::flat(Ty::from_value(&Value::Bool(*truth))),
            TypeKind::Name { module, name } => self.named_type(module.as_deref(), name, ty.span),
            TypeKind::List(inner) => {
                let inner = self.type_of(inner);
                Resolved { ty: Ty::list(inner.ty), depth: inner.depth + 1 }
            }
            TypeKind::Map(inner) => {
                let inner = self.type_of(inner);
                Resolved { ty: Ty::map(inner.ty), depth: inner.depth + 1 }
            }
            TypeKind::Union(all) => {
                let mut union = Resolved::flat(Ty::nothing());
                for one in all {
                    let one = self.type_of(one);
                    union.depth = union.depth.max(one.depth);
                    union.ty = union.ty.or(one.ty);
                }
                union
            }
            TypeKind::Record { fields, open } => self.record_type(fields, *open),
        };
        self.types.size = self.types.size.saturating_add(resolved.ty.breadth());
        let too = match () {
            () if resolved.depth > MAX_DEPTH => format!("nests more than {MAX_DEPTH} deep"),
            () if self.types.size > MAX_TYPES_SIZE => {
                "makes the types of these rules too large".to_owned()
            }
            () => return resolved,
        };
        self.report(
            Diagnostic::error(Code::E0219, ty.span, format!("this type {too}"))
                .label("too large")
                .help("write `any` for the parts that the rules do not read"),
        );
        // Start again from zero, so that one mistake causes one problem.
        self.types.size = 0;
        Resolved::any()
    }

    fn record_type(&mut self, fields: &[ast::TypeField], open: bool) -> Resolved {
        let mut typed: IndexMap<Arc<str>, RecordMember> = IndexMap::new();
        let mut spans: FxHashMap<&str, Span> = FxHashMap::default();
        let mut depth = 0;
        for field in fields {
            if let Some(first) = spans.insert(&field.key.text, field.key.span) {
                self.report(
                    Diagnostic::error(
                        Code::E0404,
                        field.key.span,
                        format!("`{}` is given twice", field.key.text),
                    )
                    .label("given again here")
                    .related(first, "first given here")
                    .help("remove one of them"),
                );
            }
            let inner = self.type_of(&field.ty);
            depth = depth.max(inner.depth);
            let key = field.key.text.as_str().into();
            typed.insert(key, RecordMember { ty: inner.ty, optional: field.optional });
        }
        let rest = if open { Rest::Open } else { Rest::Nothing };
        Resolved { ty: Ty::record(Record { fields: typed, rest }), depth: depth + 1 }
    }

    fn named_type(&mut self, module: Option<&str>, name: &str, span: Span) -> Resolved {
        if let (None, Some(ty)) = (module, built_in(name)) {
            return Resolved::flat(ty);
        }
        match self.names.ty(module, name, span) {
            // A type that is part of a cycle is not resolved yet; the cycle is reported.
            Ok(index) => self.types.resolved.get(&index).cloned().unwrap_or_else(Resolved::any),
            Err(problem) => {
                self.report(*problem);
                Resolved::any()
            }
        }
    }
}

fn built_in(name: &str) -> Option<Ty> {
    Some(match name {
        "any" => Ty::any(),
        "null" => Ty::null(),
        "bool" => Ty::bool(),
        "int" => Ty::int(),
        "float" => Ty::number(),
        "string" => Ty::string(),
        "timestamp" => Ty::format(Format::Timestamp),
        "duration" => Ty::format(Format::Duration),
        "bytes" => Ty::format(Format::Bytes),
        _ => return None,
    })
}

/// The problem of a type that does not exist.
pub(super) fn unknown<'n>(
    module: Option<&str>,
    name: &str,
    span: Span,
    visible: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let whole = Text { text: qualified(module, name), span };
    let visible: Vec<&str> = visible.collect();
    let known = visible.iter().copied().chain(BUILT_IN);
    let used = |module: &str| {
        visible.iter().any(|name| name.split_once('.').is_some_and(|(m, _)| m == module))
    };
    let help = match (module, name) {
        (Some(module), _) if stdlib::text(module).is_some() && !used(module) => {
            Some(format!("add `use std \"{module}\"` at the top of this file"))
        }
        (None, "number" | "double" | "decimal") => {
            Some("write `float`, or `int` for whole numbers".into())
        }
        (None, "integer" | "long" | "int64" | "int32") => Some("write `int`".into()),
        (None, "boolean" | "Boolean") => Some("write `bool`".into()),
        (None, "str" | "String" | "text" | "Text") => Some("write `string`".into()),
        (None, "object" | "dict" | "map" | "struct") => {
            Some("write `map<…>`, or list the fields: `{ name: string, ... }`".into())
        }
        (None, "array" | "list") => Some("write `list<…>`, as in `list<string>`".into()),
        (None, "date" | "datetime" | "time") => Some("write `timestamp`".into()),
        (None, "nil" | "None" | "undefined") => {
            Some("write `null`, or `name?: …` for a field that may be missing".into())
        }
        _ => suggest::help(&whole.text, known, "the types are"),
    };
    Diagnostic::error(Code::E0217, span, format!("there is no type `{}`", whole.text))
        .label("not known")
        .candidates(&whole.text, visible.iter().copied().chain(BUILT_IN))
        .maybe_help(help.or_else(|| Some(format!("declare it with `type {name} = …`"))))
}

/// The name of a type's declaration; types of the standard library include their module.
pub(super) fn qualified(module: Option<&str>, name: &str) -> String {
    module.map_or_else(|| name.to_owned(), |module| format!("{module}.{name}"))
}
