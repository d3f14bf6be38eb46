//! Expands sources whose kind is a preset of another kind, as if their fields and events had been written out.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::{ParsedFile, cannot_be_left_out, given_twice};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::schema::{Registry, SourceSchema};
use crate::span::{FileId, Files, Span};
use crate::stdlib;
use crate::syntax;
use crate::syntax::ast::{
    self, Block, BlockField, EventDecl, ExprKind, FieldValue, Source, Text, TypeKind, Use,
};

/// The secret that represents a field of the preset: `secret("preset", "FIELD")`.
const PLACEHOLDER: &str = "preset";

/// The function that represents a field of the preset that is not a secret: `setting("FIELD", EXAMPLE)`.
const SETTING: &str = "setting";

/// The files of presets that were read.
#[derive(Default)]
pub(super) struct PresetFiles<'a> {
    registry: Option<&'a Registry>,
    /// By the kind that the presets are based on.
    by_base: BTreeMap<String, PresetFile>,
    /// Modules of the standard library that were not returned yet.
    new_modules: Vec<String>,
}

/// The presets of one kind.
struct PresetFile {
    id: FileId,
    presets: Vec<Source>,
    /// The modules of the standard library whose types are used.
    modules: BTreeSet<String>,
}

impl<'a> PresetFiles<'a> {
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self { registry: Some(registry), ..Self::default() }
    }

    /// Expands a source if its kind is a preset.
    pub(super) fn expand(
        &mut self,
        source: &mut Source,
        files: &mut Files,
        problems: &mut Vec<Diagnostic>,
    ) {
        let kind = source.kind.text.as_str();
        let Some(registry) = self.registry else { return };
        if kind.is_empty() || registry.find_source(kind).is_some() {
            return;
        }
        let Some(schema) = registry.find_preset(kind) else { return };
        let base = schema.source.kind().to_owned();
        let file = self.by_base.entry(base).or_insert_with(|| {
            let text = schema.preset_text();
            let name = stdlib::preset_file_name(schema.source.kind());
            let id = files.add(name, text.to_owned());
            let tree = syntax::parse(id, text, problems);
            PresetFile { id, presets: tree.sources, modules: BTreeSet::new() }
        });
        let Some(preset) = file.presets.iter().find(|preset| preset.name.text == kind) else {
            return;
        };
        let mut expansion = Expansion { preset, schema, problems };
        expansion.source(source);
        for event in &source.events {
            let Some(module) = event.ty.as_ref().and_then(module) else { continue };
            if file.modules.insert(module.to_owned()) {
                self.new_modules.push(module.to_owned());
            }
        }
    }

    /// The modules of the standard library that the presets need and that were not returned before.
    pub(super) fn new_modules(&mut self) -> Vec<String> {
        std::mem::take(&mut self.new_modules)
    }

    /// The files, without the presets, which are parts of the sources now.
    pub(super) fn into_files(self) -> impl Iterator<Item = ParsedFile> {
        self.by_base.into_values().map(|PresetFile { id, modules, presets }| {
            let span = presets.first().map(|preset| preset.name.span);
            let uses = modules.into_iter().zip(span.into_iter().cycle());
            let uses = uses.map(|(text, span)| Use { std: true, name: Text { text, span } });
            let tree = ast::File { uses: uses.collect(), ..ast::File::default() };
            ParsedFile { id, tree, uses: Vec::new() }
        })
    }
}

/// The module of the standard library that declares a type.
fn module(ty: &ast::Type) -> Option<&str> {
    match &ty.kind {
        TypeKind::Name { module, .. } => {
            module.as_deref().filter(|module| stdlib::text(module).is_some())
        }
        _ => None,
    }
}

/// The expansion of one source.
struct Expansion<'e> {
    preset: &'e Source,
    /// The schema of the kind that the preset is based on.
    schema: &'e SourceSchema,
    problems: &'e mut Vec<Diagnostic>,
}

impl Expansion<'_> {
    fn source(&mut self, source: &mut Source) {
        let own: Vec<String> =
            source.block.fields.iter().map(|field| field.key.text.clone()).collect();
        let given = self.given(source);
        for field in &self.preset.block.fields {
            // The port is only an example.
            if field.key.text == "port" {
                continue;
            }
            let Some(value) = filled(&field.value, &given) else { continue };
            match source.block.fields.iter_mut().find(|own| own.key.text == field.key.text) {
                None => source.block.fields.push(BlockField { value, ..field.clone() }),
                Some(own) => match (own.value.as_block_mut(), value) {
                    (Some(own), FieldValue::Block(more)) => self.add_schemes(own, more),
                    (None, FieldValue::Block(more)) => {
                        self.problems.push(self.not_a_block(&own.key));
                        own.value = FieldValue::Block(more);
                    }
                    // A plain value replaces that of the preset.
                    (_, FieldValue::Expr(_)) => {}
                },
            }
        }
        for event in &mut source.events {
            self.event(event, &own);
        }
        let base = Text { text: self.schema.source.kind().to_owned(), ..source.kind.clone() };
        source.preset = Some(std::mem::replace(&mut source.kind, base));
    }

    /// Removes the fields that replace placeholders from a source, and returns them. Reports missing ones, and fields
    /// that do not exist.
    fn given(&mut self, source: &mut Source) -> BTreeMap<String, BlockField> {
        let wanted = placeholders(&self.preset.block, self.schema.preset_text());
        let names: Vec<String> = wanted.iter().map(|one| one.name.clone()).collect();
        let mut found: BTreeMap<String, BlockField> = BTreeMap::new();
        let fields = self.schema.source.fields();
        let mut is_misspelled = false;
        source.block.fields.retain(|field| {
            let key = &field.key;
            if names.contains(&key.text) {
                if field.optional {
                    let problem = cannot_be_left_out(key).help("remove the `?`");
                    self.problems.push(problem);
                }
                match found.get(&key.text) {
                    Some(first) => self.problems.push(given_twice(key, first.key.span)),
                    None => {
                        found.insert(key.text.clone(), field.clone());
                    }
                }
                return false;
            }
            let is_known = fields.iter().any(|known| known.name == key.text);
            if !is_known {
                let known = names.iter().map(String::as_str);
                let known = known.chain(fields.iter().map(|field| field.name.as_str()));
                is_misspelled |= suggest::nearest(&key.text, known.clone())
                    .is_some_and(|near| names.iter().any(|name| name == near));
                let message = format!("there is no field `{}`", key.text);
                let problem = Diagnostic::error(Code::E0401, key.span, message);
                self.problems.push(problem.label("not known here").suggest(
                    key,
                    known,
                    "its fields are",
                ));
            }
            is_known
        });
        for Placeholder { name, example, .. } in wanted {
            if !found.contains_key(&name) && !source.block.incomplete && !is_misspelled {
                let (kind, span) = (&source.kind.text, source.name.span);
                let message = format!("source `{}` needs `{name}`", source.name.text);
                let help = match example {
                    Some(example) => format!("add it, as in `{name} = {example}`"),
                    None => format!(
                        "add `{name} = secret(\"{kind}\", \"{name}\")`, which names where the secret is kept; \
                         for a sender without one, write a source of the kind `{}`",
                        self.schema.source.kind()
                    ),
                };
                self.problems.push(
                    Diagnostic::error(Code::E0402, span, message)
                        .label(format!("`{name}` is missing"))
                        .help(help),
                );
            }
        }
        found
    }

    /// A field that replaces a block of the preset, and with it the checks of the sender.
    fn not_a_block(&self, key: &Text) -> Diagnostic {
        let (kind, key_text) = (&self.preset.name.text, &key.text);
        Diagnostic::error(Code::E0403, key.span, format!("`{key_text}` takes a block"))
            .label("not a block")
            .help(format!(
                "write it as `{key_text} {{ … }}`, to which fuse adds what `{kind}` sets; or write a source \
                 of the kind `{}`",
                self.schema.source.kind()
            ))
    }

    /// Adds the fields of a nested block of the preset to that of the source, which cannot replace them.
    fn add_schemes(&mut self, own: &mut Block, more: Block) {
        for field in more.fields {
            match own.fields.iter().find(|own| own.key.text == field.key.text) {
                None => own.fields.push(field),
                Some(own) => {
                    let (kind, key) = (&self.preset.name.text, &own.key);
                    let message = format!("`{kind}` sets `{}` itself", key.text);
                    self.problems.push(
                        Diagnostic::error(Code::E0410, key.span, message)
                            .label("given again here")
                            .help(format!(
                                "remove it, or write a source of the kind `{}`",
                                self.schema.source.kind()
                            )),
                    );
                }
            }
        }
    }

    /// Adds what the preset knows about an event. `own` are the fields that the source sets for all of its events.
    fn event(&mut self, event: &mut EventDecl, own: &[String]) {
        let known = &self.preset.events;
        let Some(preset) = known.iter().find(|known| known.name.text == event.name.text) else {
            if event.when.is_empty() && !known.is_empty() && !event.name.text.is_empty() {
                self.problems.push(self.unknown_event(&event.name));
            }
            return;
        };
        event.doc = event.doc.take().or_else(|| preset.doc.clone());
        event.ty = event.ty.take().or_else(|| preset.ty.clone());
        event.when.splice(0..0, preset.when.iter().cloned());
        let Some(more) = &preset.block else { return };
        let block = event.block.get_or_insert_with(|| Block { fields: Vec::new(), ..more.clone() });
        for field in &more.fields {
            let key = &field.key.text;
            let is_set = |key: &String| {
                own.contains(key) || block.fields.iter().any(|own| own.key.text == *key)
            };
            if !is_set(key) && !self.schema.replacements(key).any(is_set) {
                block.fields.push(field.clone());
            }
        }
    }

    fn unknown_event(&self, name: &Text) -> Diagnostic {
        let known: Vec<&str> = self.preset.events.iter().map(|e| e.name.text.as_str()).collect();
        let condition = format!("`event {} {{ when … }}`", name.text);
        let help = match suggest::help(&name.text, known.iter().copied(), "its events are") {
            Some(help) if help.starts_with("did") => help,
            Some(help) => {
                format!("{help}; or add a condition for an event of your own: {condition}")
            }
            None => format!("add a condition for an event of your own: {condition}"),
        };
        let message = format!("`{}` has no event `{}`", self.preset.name.text, name.text);
        Diagnostic::error(Code::E0205, name.span, message)
            .label("not known")
            .help(help)
            .candidates(&name.text, known.iter().copied())
            .maybe_fix(suggest::fix(&name.text, name.span, known))
    }
}

/// A field of a preset that each source has to set.
pub(super) struct Placeholder {
    pub(super) name: String,
    /// The field that it becomes, with the blocks around it.
    pub(super) path: Vec<String>,
    /// An example as written in rules; `None` for a secret.
    pub(super) example: Option<String>,
}

/// The name of a placeholder, and its example unless it is a secret.
fn placeholder(value: &FieldValue) -> Option<(&str, Option<Span>)> {
    let FieldValue::Expr(expr) = value else { return None };
    let ExprKind::Call { function, arguments } = &expr.kind else { return None };
    let [first, second] = arguments.as_slice() else { return None };
    match (function.text.as_str(), &first.kind, &second.kind) {
        ("secret", ExprKind::String(of), ExprKind::String(name)) if of == PLACEHOLDER => {
            Some((name, None))
        }
        (SETTING, ExprKind::String(name), _) => Some((name, Some(second.span))),
        _ => None,
    }
}

/// The placeholders of a block of this text.
pub(super) fn placeholders(block: &Block, text: &str) -> Vec<Placeholder> {
    let mut found = Vec::new();
    for field in &block.fields {
        let key = field.key.text.clone();
        if let Some((name, example)) = placeholder(&field.value) {
            let example = example.map(|span| text.get(span.range()).unwrap_or_default().to_owned());
            found.push(Placeholder { name: name.to_owned(), path: vec![key], example });
        } else if let FieldValue::Block(inner) = &field.value {
            for Placeholder { path, name, example } in placeholders(inner, text) {
                let path = std::iter::once(key.clone()).chain(path).collect();
                found.push(Placeholder { name, path, example });
            }
        }
    }
    found
}

/// A value of a preset with the fields of a source in place of its placeholders. `None` if one of them is missing.
fn filled(value: &FieldValue, given: &BTreeMap<String, BlockField>) -> Option<FieldValue> {
    if let Some((name, _)) = placeholder(value) {
        return Some(given.get(name)?.value.clone());
    }
    let FieldValue::Block(block) = value else { return Some(value.clone()) };
    let mut fields = Vec::new();
    for field in &block.fields {
        let own = placeholder(&field.value).and_then(|(name, _)| given.get(name));
        let value = filled(&field.value, given)?;
        let mut field = BlockField { value, ..field.clone() };
        if let Some(own) = own {
            // Its problems are shown where the rules contain it.
            field.key.span = own.key.span;
        }
        fields.push(field);
    }
    Some(FieldValue::Block(Block { fields, ..block.clone() }))
}
