//! Which names of declarations the rules use.

use rustc_hash::FxHashSet;

use super::visit;
use crate::check::ParsedFile;
use crate::syntax::ast::{
    Event, Expect, Expected, ExprKind, File, TestStep, Type, TypeKind, TypeValue,
};

/// The names that are used, by what they can stand for. Names are unique among all files, and a name
/// that an element is bound to is taken by nothing else.
#[derive(Debug, Default)]
pub(crate) struct Uses<'a> {
    /// What paths start with: constants.
    values: FxHashSet<&'a str>,
    /// What is called: conditions.
    called: FxHashSet<&'a str>,
    types: FxHashSet<(Option<&'a str>, &'a str)>,
    fuses: FxHashSet<&'a str>,
    events: FxHashSet<(&'a str, &'a str)>,
    sources: FxHashSet<&'a str>,
    /// What tests name: fuses that they set, and rules, by the last part of their names.
    set: FxHashSet<&'a str>,
    expected: FxHashSet<&'a str>,
}

impl<'a> Uses<'a> {
    pub(super) fn of(files: impl Iterator<Item = &'a ParsedFile>) -> Self {
        let mut uses = Self::default();
        for file in files {
            uses.file(file);
        }
        uses
    }

    pub(crate) fn is_used_as_value(&self, name: &str) -> bool {
        self.values.contains(name)
    }

    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.called.contains(name)
    }

    /// Whether a type is named: one of a module of the standard library with that.
    pub(crate) fn is_type(&self, module: Option<&str>, name: &str) -> bool {
        self.types.contains(&(module, name))
    }

    pub(crate) fn is_required(&self, fuse: &str) -> bool {
        self.fuses.contains(fuse)
    }

    pub(crate) fn listens(&self, source: &str, event: &str) -> bool {
        self.events.contains(&(source, event))
    }

    pub(crate) fn is_source(&self, name: &str) -> bool {
        self.sources.contains(name)
    }

    /// The modules of the standard library that are named.
    pub(crate) fn names_module(&self, module: &str) -> bool {
        self.types.iter().any(|(own, _)| *own == Some(module))
    }

    /// Whether anything is named that a file declares.
    pub(crate) fn any_of(&self, file: &File) -> bool {
        file.consts.iter().any(|declared| self.is_used_as_value(&declared.name.text))
            || file.conditions.iter().any(|declared| self.is_called(&declared.name.text))
            || file.types.iter().any(|declared| self.is_type(None, &declared.name.text))
            || file.fuses.iter().any(|declared| self.is_required(&declared.name.text))
            || file.sources.iter().any(|declared| self.is_source(&declared.name.text))
            || file.fuses.iter().any(|declared| self.set.contains(declared.name.text.as_str()))
            || file.sensors.iter().any(|sensor| {
                sensor.rules.iter().any(|rule| self.expected.contains(rule.name.text.as_str()))
            })
    }

    fn file(&mut self, file: &'a ParsedFile) {
        let tree = &file.tree;
        visit::expressions(tree, &mut |expr| match &expr.kind {
            ExprKind::Path { root, .. } => drop(self.values.insert(&root.text)),
            ExprKind::Call { function, .. } => drop(self.called.insert(&function.text)),
            _ => {}
        });
        for declared in &tree.types {
            if let TypeValue::Type(ty) = &declared.value {
                self.ty(ty);
            }
        }
        let parameters = tree.conditions.iter().flat_map(|declared| &declared.parameters);
        let events = tree.sources.iter().flat_map(|source| &source.events);
        let types = parameters.filter_map(|parameter| parameter.ty.as_ref());
        types
            .chain(events.filter_map(|event: &Event| event.ty.as_ref()))
            .for_each(|ty| self.ty(ty));
        tree.tests.iter().flat_map(|test| &test.steps).for_each(|step| self.step(step));
        for sensor in &tree.sensors {
            self.sources.insert(&sensor.source.text);
            self.events.insert((&sensor.source.text, &sensor.event.text));
            let rules = sensor.rules.iter().flat_map(|rule| &rule.shared.requires);
            let required = sensor.shared.requires.iter().chain(rules);
            self.fuses.extend(required.map(|name| name.text.as_str()));
        }
    }

    /// What a test names. It sends events, and nothing listens because of that.
    fn step(&mut self, step: &'a TestStep) {
        let rule = match step {
            TestStep::With { fuse, .. } => {
                self.set.insert(&fuse.text);
                return;
            }
            TestStep::Send(send) => {
                self.sources.insert(&send.source.text);
                return;
            }
            TestStep::Expect(Expect { what: Expected::No(rule), .. }) => rule,
            TestStep::Expect(Expect { what: Expected::Rule(expected), .. }) => &expected.rule,
            TestStep::Expect(Expect { what: Expected::NothingElse, .. }) | TestStep::At(_) => {
                return;
            }
        };
        self.expected.insert(rule.text.rsplit('/').next().unwrap_or(&rule.text));
    }

    fn ty(&mut self, ty: &'a Type) {
        match &ty.kind {
            TypeKind::Name { module, name } => {
                self.types.insert((module.as_deref(), name));
            }
            TypeKind::List(inner) | TypeKind::Map(inner) => self.ty(inner),
            TypeKind::Union(all) => all.iter().for_each(|ty| self.ty(ty)),
            TypeKind::Record { fields, .. } => fields.iter().for_each(|field| self.ty(&field.ty)),
            TypeKind::String(_) | TypeKind::Number(_) | TypeKind::Bool(_) | TypeKind::Error => {}
        }
    }
}
