//! Sources of presets, which consist of what the rules contain and what the preset adds.

use std::borrow::Cow;

use super::Checker;
use crate::span::Span;
use crate::stdlib;
use crate::syntax::ast::{self, Block, CompareOp, Expr, ExprKind, Segment, Text};

/// Whether the preset of a source added this part of it.
fn is_added(source: &ast::Source, part: Span) -> bool {
    source.preset.is_some() && part.file != source.name.span.file
}

/// Where to show a problem in what a preset added to an event: at the event's type if the rules contain one, or else at
/// its name.
pub(super) fn place_of(source: &ast::Source, event: &ast::EventDecl) -> Span {
    let own = event.ty.as_ref().map(|ty| ty.span).filter(|span| !is_added(source, *span));
    own.unwrap_or(event.name.span)
}

/// What a `defaults` sets for a source. In a block to which a preset adds something, such as `auth`, it sets only plain
/// values: a further block would change how the preset authenticates its sender.
pub(super) fn defaults_for<'b>(source: &ast::Source, defaults: &'b Block) -> Cow<'b, Block> {
    if source.preset.is_none() {
        return Cow::Borrowed(defaults);
    }
    let mut defaults = defaults.clone();
    for field in &mut defaults.fields {
        let own = source.block.fields.iter().find(|own| own.key.text == field.key.text);
        let own = own.and_then(|own| own.value.as_block());
        let is_shared =
            own.is_some_and(|own| own.fields.iter().any(|part| is_added(source, part.key.span)));
        if let Some(block) = field.value.as_block_mut().filter(|_| is_shared) {
            block.fields.retain(|part| part.value.as_block().is_none());
        }
    }
    Cow::Owned(defaults)
}

impl Checker<'_> {
    /// The name of a field as it is written in the rules. In its scheme, a secret of a preset has another name.
    pub(super) fn written_key(&self, key: &Text) -> String {
        match self.text(key.span).trim_matches('"') {
            "" => key.text.clone(),
            text => text.to_owned(),
        }
    }

    /// Moves problems in text that a preset added to a place in the source, because the rules do not contain that text.
    pub(super) fn move_out_of_preset(&mut self, source: &ast::Source, before: usize, to: Span) {
        let Some(preset) = &source.preset else { return };
        let files = &self.included_files;
        let is_hidden = |span: Span| stdlib::is_preset(&files.file_name(span));
        for problem in self.problems.iter_mut().skip(before) {
            let Some(label) = problem.label.as_mut().filter(|label| is_hidden(label.span)) else {
                continue;
            };
            problem.help = Some(format!(
                "`{}` reads `{}` of the request: the type of the event must have it",
                preset.text,
                files.text(label.span)
            ));
            label.span = to;
            label.text = format!("what `{}` adds to this does not fit", preset.text);
            problem.related.retain(|related| !is_hidden(related.span));
            problem.fix = None;
        }
    }
}

/// The headers that distinguish an event of a preset, each with a value that the conditions of the preset allow. Tests
/// need not repeat them. Empty for any other event.
pub(super) fn headers_of(source: &ast::Source, event: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(event) = source.events.iter().find(|own| own.name.text == event) {
        let added = event.when.iter().filter(|condition| is_added(source, condition.span));
        added.for_each(|condition| collect(condition, &mut found));
    }
    found
}

fn collect(condition: &Expr, found: &mut Vec<(String, String)>) {
    let header = |expr: &Expr| match &expr.kind {
        ExprKind::Path { root, steps } if root.text == "headers" => match steps.as_slice() {
            [ast::PathStep { segment: Segment::Key(name), .. }] => Some(name.to_string()),
            _ => None,
        },
        _ => None,
    };
    let (header, value) = match &condition.kind {
        ExprKind::And(all) => return all.iter().for_each(|one| collect(one, found)),
        ExprKind::Paren(inner) => return collect(inner, found),
        ExprKind::Compare { op: CompareOp::Eq, left, right } => (header(left), Some(&**right)),
        ExprKind::In { negated: false, item, list } => match &list.kind {
            ExprKind::List(items) => (header(item), items.first()),
            _ => return,
        },
        _ => return,
    };
    if let (Some(header), Some(ExprKind::String(value))) = (header, value.map(|v| &v.kind)) {
        found.push((header, value.clone()));
    }
}
