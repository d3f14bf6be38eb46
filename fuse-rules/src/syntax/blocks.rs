//! pest's pairs to the tree: blocks, records and their fields.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{Block, Expr, ExprKind, Field, FieldValue, Segment, Step, Text};
use super::lower::Lower;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;

impl Lower<'_> {
    /// A block or a record: they differ only in where they may stand.
    pub(super) fn block(&mut self, pair: Pair<'_, Rule>) -> Block {
        let mut block = Block { fields: Vec::new(), span: self.span(&pair), incomplete: false };
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::close => self.close(&part, items.open, "this block"),
                _ => self.block_item(part, &mut block, &mut items),
            }
        }
        block
    }

    pub(super) fn block_item(
        &mut self,
        pair: Pair<'_, Rule>,
        block: &mut Block,
        items: &mut Items,
    ) {
        match pair.as_rule() {
            Rule::comma => items.comma(self, &pair),
            Rule::field => {
                items.separate(self, &pair);
                block.fields.extend(self.field(pair));
            }
            Rule::nested => {
                items.separate(self, &pair);
                block.fields.extend(self.nested(pair));
            }
            Rule::from_pick => {
                items.separate(self, &pair);
                self.picks(pair, block);
            }
            Rule::bad_field => {
                block.incomplete = true;
                items.bad(self, &pair, Rule::probe_field);
            }
            _ => {}
        }
    }

    pub(super) fn key(&mut self, pair: Pair<'_, Rule>) -> Option<Text> {
        let inner = pair.into_inner().next()?;
        let span = self.span(&inner);
        match inner.as_rule() {
            Rule::plain_string => Some(Text { text: self.plain_string(inner)?, span }),
            _ => Some(self.text_of(&inner)),
        }
    }

    fn field(&mut self, pair: Pair<'_, Rule>) -> Option<Field> {
        let mut key = None;
        let mut optional = false;
        let mut value = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::key => key = self.key(part),
                Rule::optional => optional = true,
                Rule::value => value = part.into_inner().next().map(|v| self.value(v, 0)),
                _ => {}
            }
        }
        Some(Field { key: key?, optional, value: FieldValue::Expr(value?) })
    }

    /// What a `value` holds: an expression or a record.
    pub(super) fn value(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::record => Expr { kind: ExprKind::Record(self.block(pair)), span },
            _ => self.expr(pair, depth),
        }
    }

    fn nested(&mut self, pair: Pair<'_, Rule>) -> Option<Field> {
        let mut key = None;
        let mut block = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::key => key = self.key(part),
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        Some(Field { key: key?, optional: false, value: FieldValue::Block(block?) })
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

    fn pick(&mut self, pair: Pair<'_, Rule>, base: &Expr) -> Option<Field> {
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
                                Rule::ident => Some(Step {
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
        let own = || Step { segment: Segment::Key(key.text.clone()), quoted, span: key.span };
        let more = path.unwrap_or_else(|| vec![own()]);
        let mut kind = base.kind.clone();
        match &mut kind {
            ExprKind::Path { steps, .. } | ExprKind::Access { steps, .. } => {
                steps.extend(more);
            }
            _ => kind = ExprKind::Access { base: Box::new(base.clone()), steps: more },
        }
        Some(Field { key, optional, value: FieldValue::Expr(Expr { kind, span }) })
    }
}

/// Checks that the items of a block are set apart by a line end or a comma.
#[derive(Default)]
pub(super) struct Items {
    pub(super) open: Option<Span>,
    /// The byte after the last item, and whether a comma came since.
    last_end: Option<usize>,
    comma: bool,
    /// Where the last item starts.
    before: Option<usize>,
}

impl Items {
    pub(super) fn comma(&mut self, lower: &mut Lower<'_>, pair: &Pair<'_, Rule>) {
        if self.comma || self.last_end.is_none() {
            let span = lower.span(pair);
            lower.report(
                Diagnostic::error(Code::E0101, span, "this `,` separates nothing")
                    .label("no field stands before it")
                    .help("remove it"),
            );
        }
        self.comma = true;
    }

    /// Takes up an item that did not parse.
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
                lower.report(
                    Diagnostic::error(
                        Code::E0104,
                        at,
                        "fields on one line are separated by a comma",
                    )
                    .label("a second field starts here")
                    .help(format!("write `, {first}`, or put it on a line of its own")),
                );
            }
        }
        // Trailing white space belongs to no item.
        self.last_end = Some(start + pair.as_str().trim_end().len());
        self.comma = false;
        self.before = Some(start);
    }
}
