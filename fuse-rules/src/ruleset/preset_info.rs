//! The presets of kinds of sources, for tools.

use super::presets::{Placeholder, placeholders};
use crate::schema::{Registry, SourceSchema};
use crate::span::FileId;
use crate::syntax;
use crate::syntax::ast::{Block, EventDecl, Expr, ExprKind, FieldValue, Source};

/// A preset of a kind of sources.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresetInfo {
    /// Its kind, as in `github`.
    pub kind: String,
    /// The kind that it is a preset of, as in `webhook`.
    pub base: String,
    /// The comment above it.
    pub doc: String,
    /// Its fields that have to be set to secrets.
    pub secrets: Vec<PresetSecret>,
    /// Its other fields that have to be set.
    pub settings: Vec<PresetSetting>,
    /// Its path, if it has one.
    pub path: Option<String>,
    /// Its events.
    pub events: Vec<PresetEvent>,
}

/// A field of a preset that has to be set to a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresetSecret {
    /// Its name, as in `secret`.
    pub name: String,
    /// The field of the base kind that it becomes, with the blocks around it, as in `auth`, `hmac`, `secret`.
    pub field: Vec<String>,
}

/// A field of a preset that has to be set, and is not a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresetSetting {
    /// Its name, as in `topics`.
    pub name: String,
    /// An example of its value, as written in rules.
    pub example: String,
}

/// An event of a preset.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PresetEvent {
    /// Its name.
    pub name: String,
    /// The comment above it.
    pub doc: Option<String>,
    /// Its path, if it is not that of the preset.
    pub path: Option<String>,
}

impl Registry {
    /// The presets of all kinds of sources.
    pub fn presets(&self) -> Vec<PresetInfo> {
        let of_base = |schema: &SourceSchema| {
            // The text is checked where it is used.
            let tree = syntax::parse(FileId(0), schema.preset_text(), &mut Vec::new());
            let info = |preset: Source| PresetInfo::new(preset, schema);
            tree.sources.into_iter().map(info).collect::<Vec<_>>()
        };
        self.sources().flat_map(of_base).collect()
    }
}

impl PresetInfo {
    fn new(preset: Source, base: &SourceSchema) -> Self {
        let (mut secrets, mut settings) = (Vec::new(), Vec::new());
        for Placeholder { name, path, example } in placeholders(&preset.block, base.preset_text()) {
            match example {
                None => secrets.push(PresetSecret { name, field: path }),
                Some(example) => settings.push(PresetSetting { name, example }),
            }
        }
        Self {
            kind: preset.name.text,
            base: base.source.kind().to_owned(),
            doc: preset.doc.unwrap_or_default(),
            secrets,
            settings,
            path: path(&preset.block),
            events: preset.events.into_iter().map(PresetEvent::new).collect(),
        }
    }
}

impl PresetEvent {
    fn new(event: EventDecl) -> Self {
        let path = event.block.as_ref().and_then(path);
        Self { name: event.name.text, doc: event.doc, path }
    }
}

/// The path that a block sets.
fn path(block: &Block) -> Option<String> {
    let field = block.fields.iter().find(|field| field.key.text == "path")?;
    match &field.value {
        FieldValue::Expr(Expr { kind: ExprKind::String(path), .. }) => Some(path.clone()),
        _ => None,
    }
}
