//! Converts pest's pairs to the tree: blocks, records and their fields.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{
    Block, BlockField, EventDecl, Expr, ExprKind, FieldValue, PathStep, Segment, Text,
};
use super::lower::Lower;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::span::Span;

impl Lower<'_> {
    /// A block or a record. They differ only in where they are allowed.
    pub(super) fn block(&mut self, pair: Pair<'_, Rule>) -> Block {
        let mut block = Block { fields: Vec::new(), span: self.span(&pair), incomplete: false };
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::close => self.close(&part, items.open, "this block"),
                _ => self.block_item(part, &mut block, &mut items, Rule::probe_field),
            }
        }
        block
    }

    /// The block of an event: fields, and conditions.
    pub(super) fn event_block(&mut self, pair: Pair<'_, Rule>, event: &mut EventDecl) {
        let mut block = Block { fields: Vec::new(), span: self.span(&pair), incomplete: false };
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::close => self.close(&part, items.open, "this block"),
                Rule::when_clause => {
                    items.separate(self, &part);
                    event.when.extend(self.when_clause(part));
                }
                _ => self.block_item(part, &mut block, &mut items, Rule::probe_event_item),
            }
        }
        event.block = Some(block);
    }

    pub(super) fn block_item(
        &mut self,
        pair: Pair<'_, Rule>,
        block: &mut Block,
        items: &mut Items,
        probe: Rule,
    ) {
        match pair.as_rule() {
            Rule::comma => items.comma(self, &pair),
            Rule::alien_semicolon => {
                self.alien_semicolon(&pair);
                items.comma = true;
            }
            // The lines indented under a `key:` in YAML are reported with the key.
            _ if items.in_yaml(self, &pair) => {}
            Rule::field => {
                items.separate(self, &pair);
                let field = self.field(pair);
                block.incomplete |= field.is_none();
                block.fields.extend(field);
            }
            Rule::nested => {
                items.separate(self, &pair);
                let field = self.nested(pair);
                block.incomplete |= field.is_none();
                block.fields.extend(field);
            }
            Rule::from_pick => {
                items.separate(self, &pair);
                self.picks(pair, block);
            }
            Rule::bad_field => {
                block.incomplete = true;
                if !items.yaml(self, &pair) {
                    items.bad(self, &pair, probe);
                }
            }
            _ => {}
        }
    }

    pub(super) fn key(&mut self, pair: Pair<'_, Rule>) -> Option<Text> {
        let inner = pair.into_inner().next()?;
        let span = self.span(&inner);
        match inner.as_rule() {
            Rule::plain_string => Some(Text { text: self.plain_string(inner)?, span }),
            Rule::alien_string => Some(self.alien_string(&inner)),
            Rule::alien_key => {
                self.alien_key(span, None);
                None
            }
            _ => Some(self.text_of(&inner)),
        }
    }

    fn field(&mut self, pair: Pair<'_, Rule>) -> Option<BlockField> {
        let whole = self.span(&pair);
        let mut key = None;
        let mut optional = false;
        let mut value = None;
        let mut alien = None;
        let mut before = whole.start;
        for part in pair.into_inner() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::key if is_dotted(&part) => self.alien_key(span, Some(whole)),
                Rule::key => key = self.key(part),
                Rule::optional => optional = true,
                Rule::alien_assign => alien = Some((span, before)),
                Rule::value | Rule::alien_scalar => {
                    value = match part.as_rule() {
                        Rule::value => part.into_inner().next().map(|v| self.value(v, 0)),
                        _ => None,
                    };
                    if let Some((mark, key_end)) = alien {
                        value = self.alien_assign(mark, key_end, value, span);
                    }
                }
                _ => {}
            }
            before = span.end;
        }
        Some(BlockField { key: key?, optional, value: FieldValue::Expr(value?) })
    }

    /// The content of a `value`: an expression or a record.
    pub(super) fn value(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::record => Expr { kind: ExprKind::Record(self.block(pair)), span },
            _ => self.expr(pair, depth),
        }
    }

    fn nested(&mut self, pair: Pair<'_, Rule>) -> Option<BlockField> {
        let mut key = None;
        let mut block = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::key => key = self.key(part),
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        Some(BlockField { key: key?, optional: false, value: FieldValue::Block(block?) })
    }

    /// `from body { a, b?, c = d }` is `a = body.a, b? = body.b, c = body.d`.
    fn picks(&mut self, pair: Pair<'_, Rule>, block: &mut Block) {
        let mut base = None;
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::term => base = Some(self.term(part, 0)),
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::close => self.close(&part, items.open, "this `from`"),
                Rule::comma => items.comma(self, &part),
                Rule::alien_semicolon => {
                    self.alien_semicolon(&part);
                    items.comma = true;
                }
                Rule::bad_field => {
                    block.incomplete = true;
                    items.bad(self, &part, Rule::probe_pick);
                }
                Rule::pick => {
                    items.separate(self, &part);
                    if let Some(base) = &base {
                        block.fields.extend(self.pick(part, base));
                    }
                }
                _ => {}
            }
        }
    }

    fn pick(&mut self, pair: Pair<'_, Rule>, base: &Expr) -> Option<BlockField> {
        let span = self.span(&pair);
        let mut key = None;
        let mut optional = false;
        let mut path = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::key => key = self.key(part),
                Rule::optional => optional = true,
                Rule::pick_path => {
                    path = Some(
                        part.into_inner()
                            .filter_map(|p| match p.as_rule() {
                                Rule::ident => Some(PathStep {
                                    segment: Segment::Key(p.as_str().to_owned()),
                                    quoted: false,
                                    span: self.span(&p),
                                }),
                                _ => self.step(p),
                            })
                            .collect::<Vec<_>>(),
                    );
                }
                _ => {}
            }
        }
        let key = key?;
        let quoted = self.text.get(key.span.range()).is_some_and(|text| text.starts_with('"'));
        let own = || PathStep { segment: Segment::Key(key.text.clone()), quoted, span: key.span };
        let more = path.unwrap_or_else(|| vec![own()]);
        let mut kind = base.kind.clone();
        match &mut kind {
            ExprKind::Path { steps, .. } | ExprKind::Access { steps, .. } => {
                steps.extend(more);
            }
            _ => kind = ExprKind::Access { base: Box::new(base.clone()), steps: more },
        }
        Some(BlockField { key, optional, value: FieldValue::Expr(Expr { kind, span }) })
    }
}

/// Checks that a newline or a comma separates the items of a block.
#[derive(Default)]
pub(super) struct Items {
    pub(super) open: Option<Span>,
    /// The byte after the last item, and whether a comma followed it.
    last_end: Option<usize>,
    comma: bool,
    /// The start of the last item.
    before: Option<usize>,
    /// The indentation of the YAML `key:` that contains the current lines.
    yaml: Option<usize>,
}

impl Items {
    /// Whether an item is indented under a `key:` in YAML.
    fn in_yaml(&mut self, lower: &Lower<'_>, pair: &Pair<'_, Rule>) -> bool {
        let inside = self.yaml.is_some_and(|indent| indent_of(lower, pair) > indent);
        if !inside {
            self.yaml = None;
        }
        inside
    }

    /// Reports a YAML `key:` that is followed by indented lines.
    fn yaml(&mut self, lower: &mut Lower<'_>, pair: &Pair<'_, Rule>) -> bool {
        let line = pair.as_str().lines().next().unwrap_or("");
        let line = line.split('#').next().unwrap_or("").trim_end();
        let Some(key) = line.strip_suffix(':').map(str::trim_end) else {
            return false;
        };
        if key.is_empty()
            || !key.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
        {
            return false;
        }
        self.yaml = Some(indent_of(lower, pair));
        let start = pair.as_span().start() + line.len() - 1;
        lower.report(
            Diagnostic::error(
                Code::E0102,
                Span::new(lower.file, start..start + 1),
                format!("`{key}:` is written `{key} {{ … }}` here"),
            )
            .label("a spelling of another language")
            .help("a block is written in braces, and a list is written `[\"a\", \"b\"]`"),
        );
        true
    }

    pub(super) fn comma(&mut self, lower: &mut Lower<'_>, pair: &Pair<'_, Rule>) {
        if self.comma || self.last_end.is_none() {
            let span = lower.span(pair);
            lower.report(
                Diagnostic::error(Code::E0101, span, "this `,` separates nothing")
                    .label("there is no field before it")
                    .fix(Fix::safe("remove it", span, "")),
            );
        }
        self.comma = true;
    }

    /// Handles an item that did not parse.
    pub(super) fn bad(&mut self, lower: &mut Lower<'_>, pair: &Pair<'_, Rule>, probe: Rule) {
        self.last_end = Some(pair.as_span().end());
        self.comma = false;
        lower.bad(pair, probe, self.before);
    }

    pub(super) fn separate(&mut self, lower: &mut Lower<'_>, pair: &Pair<'_, Rule>) {
        let start = pair.as_span().start();
        if let Some(end) = self.last_end.filter(|_| !self.comma) {
            let between = lower.text.get(end..start).unwrap_or("\n");
            if !between.contains(['\n', '\r']) {
                let span = lower.span(pair);
                let first = pair.as_str().split_whitespace().next().unwrap_or("").to_owned();
                let at = Span { end: span.start + u32::try_from(first.len()).unwrap_or(1), ..span };
                let title = format!("write `, {first}`, or put it on a line of its own");
                let fix = Fix::safe(title, Span::new(lower.file, end..end), ",");
                lower.report(
                    Diagnostic::error(
                        Code::E0104,
                        at,
                        "fields on one line are separated by a comma",
                    )
                    .label("a second field starts here")
                    .fix(fix),
                );
            }
        }
        // Trailing white space is not part of an item.
        self.last_end = Some(start + pair.as_str().trim_end().len());
        self.comma = false;
        self.before = Some(start);
    }
}

/// The number of bytes before an item on its line.
fn indent_of(lower: &Lower<'_>, pair: &Pair<'_, Rule>) -> usize {
    let start = pair.as_span().start();
    let before = lower.text.get(..start).unwrap_or("");
    start - before.rfind('\n').map_or(0, |newline| newline + 1)
}

fn is_dotted(key: &Pair<'_, Rule>) -> bool {
    key.clone().into_inner().next().is_some_and(|inner| inner.as_rule() == Rule::alien_key)
}
