//! The names of declarations that the rules use.

use rustc_hash::FxHashSet;

use super::visit;
use crate::check::ParsedFile;
use crate::syntax::ast::{
    EventDecl, Expect, Expected, ExprKind, File, TestStep, Type, TypeKind, TypeValue,
};

/// The used names, by kind of declaration. Names are unique across all files, and the name of an
/// element never equals the name of a declaration.
#[derive(Debug, Default)]
pub(crate) struct References<'a> {
    /// The first names of paths: constants.
    values: FxHashSet<&'a str>,
    /// The names of called conditions.
    called: FxHashSet<&'a str>,
    types: FxHashSet<(Option<&'a str>, &'a str)>,
    fuses: FxHashSet<&'a str>,
    events: FxHashSet<(&'a str, &'a str)>,
    sources: FxHashSet<&'a str>,
    /// The fuses that tests set.
    test_fuses: FxHashSet<&'a str>,
    /// The rules that tests expect, without the names of their sensors.
    test_rules: FxHashSet<&'a str>,
}

impl<'a> References<'a> {
    /// Collects the names that these files use.
    pub(super) fn collect(files: impl Iterator<Item = &'a ParsedFile>) -> Self {
        let mut uses = Self::default();
        for file in files {
            uses.file(file);
        }
        uses
    }

    pub(crate) fn is_value_used(&self, name: &str) -> bool {
        self.values.contains(name)
    }

    pub(crate) fn is_condition_used(&self, name: &str) -> bool {
        self.called.contains(name)
    }

    /// Whether a type is used. `module` is the module of a type of the standard library.
    pub(crate) fn is_type_used(&self, module: Option<&str>, name: &str) -> bool {
        self.types.contains(&(module, name))
    }

    pub(crate) fn is_fuse_required(&self, fuse: &str) -> bool {
        self.fuses.contains(fuse)
    }

    pub(crate) fn has_sensor_for(&self, source: &str, event: &str) -> bool {
        self.events.contains(&(source, event))
    }

    pub(crate) fn is_source_used(&self, name: &str) -> bool {
        self.sources.contains(name)
    }

    /// Whether a type of this module of the standard library is used.
    pub(crate) fn is_module_used(&self, module: &str) -> bool {
        self.types.iter().any(|(own, _)| *own == Some(module))
    }

    /// Whether any declaration of a file is used.
    pub(crate) fn uses_any_of(&self, file: &File) -> bool {
        file.consts.iter().any(|declared| self.is_value_used(&declared.name.text))
            || file.conditions.iter().any(|declared| self.is_condition_used(&declared.name.text))
            || file.types.iter().any(|declared| self.is_type_used(None, &declared.name.text))
            || file.fuses.iter().any(|declared| self.is_fuse_required(&declared.name.text))
            || file.sources.iter().any(|declared| self.is_source_used(&declared.name.text))
            || file
                .fuses
                .iter()
                .any(|declared| self.test_fuses.contains(declared.name.text.as_str()))
            || file.sensors.iter().any(|sensor| {
                sensor.rules.iter().any(|rule| self.test_rules.contains(rule.name.text.as_str()))
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
            .chain(events.filter_map(|event: &EventDecl| event.ty.as_ref()))
            .for_each(|ty| self.ty(ty));
        tree.tests.iter().flat_map(|test| &test.steps).for_each(|step| self.step(step));
        for sensor in &tree.sensors {
            for event in &sensor.events {
                self.sources.insert(&event.source.text);
                self.events.insert((&event.source.text, &event.event.text));
            }
            let rules = sensor.rules.iter().flat_map(|rule| &rule.shared.requires);
            let required = sensor.shared.requires.iter().chain(rules);
            self.fuses.extend(required.map(|name| name.text.as_str()));
        }
    }

    /// Collects the names in a test. Sending an event does not count as listening to it.
    fn step(&mut self, step: &'a TestStep) {
        let rule = match step {
            TestStep::With { fuse, .. } => {
                self.test_fuses.insert(&fuse.text);
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
        self.test_rules.insert(rule.text.rsplit('/').next().unwrap_or(&rule.text));
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
