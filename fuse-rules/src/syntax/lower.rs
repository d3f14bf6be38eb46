//! Converts pest's pairs to the tree: declarations.

use std::ops::Range;

use pest::iterators::{Pair, Pairs};

use super::ast::{
    Block, Condition, Const, Defaults, EventDecl, ExprKind, File, Fuse, Parameter, Source, Text,
    Use,
};
use super::blocks::Items;
use super::{Rule, recover};
use crate::diagnostic::{Code, Diagnostic};
use crate::span::{FileId, Span};

/// Converts pairs and collects problems.
pub(super) struct Lower<'a> {
    pub(super) file: FileId,
    pub(super) text: &'a str,
    comments: &'a [Range<usize>],
    pub(super) problems: &'a mut Vec<Diagnostic>,
}

/// The name of a declaration whose name did not parse.
pub(super) const NAMELESS: &str = "";

impl<'a> Lower<'a> {
    pub(super) fn new(
        file: FileId,
        text: &'a str,
        comments: &'a [Range<usize>],
        problems: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Self { file, text, comments, problems }
    }

    pub(super) fn file(mut self, pairs: Pairs<'_, Rule>) -> File {
        let mut file = File::default();
        let mut before = None;
        for pair in pairs.flat_map(Pair::into_inner) {
            let start = pair.as_span().start();
            match pair.as_rule() {
                Rule::use_decl => file.uses.extend(self.used(pair)),
                Rule::type_decl => file.types.extend(self.type_decl(pair)),
                Rule::const_decl => file.consts.extend(self.const_decl(pair)),
                Rule::condition_decl => file.conditions.extend(self.condition_decl(pair)),
                Rule::fuse_decl => file.fuses.extend(self.fuse(pair)),
                Rule::limiter_decl => file.limiters.extend(self.limiter(pair)),
                Rule::defaults_decl => file.defaults.extend(self.defaults(pair)),
                Rule::source_decl => file.sources.push(self.source(pair)),
                Rule::sensor_decl => file.sensors.push(self.sensor(pair)),
                Rule::test_decl => file.tests.push(self.test(pair)),
                Rule::alien_end => self.alien_end(&pair),
                Rule::bad_declaration => self.bad_declarations(&pair, before),
                _ => {}
            }
            before = Some(start);
        }
        file
    }

    // ---- Helpers --------------------------------------------------------------------------

    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        // pest includes the white space that it skips before an optional part in the pair.
        let start = pair.as_span().start();
        Span::new(self.file, start..start + pair.as_str().trim_end().len())
    }

    pub(super) fn text_of(&self, pair: &Pair<'_, Rule>) -> Text {
        Text { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    pub(super) fn report(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    pub(super) fn bad(&mut self, pair: &Pair<'_, Rule>, probe: Rule, before: Option<usize>) {
        let span = pair.as_span();
        let junk = recover::Junk { before, start: span.start(), end: span.end() };
        let problem = recover::problem(self.file, self.text, junk, probe);
        self.report(problem);
    }

    /// Text that is not a declaration: each piece that starts like a declaration is a separate
    /// problem.
    fn bad_declarations(&mut self, pair: &Pair<'_, Rule>, mut before: Option<usize>) {
        let span = pair.as_span();
        for (start, end) in recover::pieces(pair.as_str()) {
            let (start, end) = (span.start() + start, span.start() + end);
            let junk = recover::Junk { before, start, end };
            let problem = recover::problem(self.file, self.text, junk, Rule::probe_declaration);
            self.report(problem);
            before = Some(start);
        }
    }

    /// The text between the keyword of a declaration and its brace, which did not parse.
    pub(super) fn bad_head(&mut self, pair: &Pair<'_, Rule>, probe: Rule) {
        let span = pair.as_span();
        // Include the brace, because a header can end too early.
        let junk = recover::Junk { before: None, start: span.start(), end: span.end() + 1 };
        let problem = recover::problem(self.file, self.text, junk, probe);
        self.report(problem);
    }

    pub(super) fn name(&mut self, pair: &Pair<'_, Rule>) -> Text {
        let name = self.text_of(pair);
        self.declared(name)
    }

    /// The name of a declaration. A reserved name is reported, and still names the declaration.
    fn declared(&mut self, name: Text) -> Text {
        const RESERVED: [&str; 29] = [
            "use",
            "fuse",
            "defaults",
            "source",
            "sensor",
            "rule",
            "requires",
            "each",
            "let",
            "when",
            "once",
            "trigger",
            "from",
            "or",
            "and",
            "not",
            "in",
            "is",
            "true",
            "false",
            "null",
            "matches",
            "contains",
            "like",
            "starts-with",
            "ends-with",
            "if",
            "then",
            "else",
        ];
        if RESERVED.contains(&name.text.as_str()) {
            self.report(
                Diagnostic::error(
                    Code::E0109,
                    name.span,
                    format!("`{}` is a keyword and cannot be a name", name.text),
                )
                .label("reserved")
                .help(format!("choose another name, such as `my-{}`", name.text)),
            );
        }
        name
    }

    pub(super) fn doc(&self, pair: &Pair<'_, Rule>) -> Option<String> {
        super::doc(self.text, self.comments, pair.as_span().start())
    }

    /// Reports a block whose closing brace the parser had to assume.
    pub(super) fn close(&mut self, pair: &Pair<'_, Rule>, open: Option<Span>, what: &str) {
        if pair.as_rule() == Rule::close && !pair.as_str().starts_with('}') {
            let Some(open) = open else { return };
            self.report(
                Diagnostic::error(Code::E0103, open, format!("the `{{` of {what} is never closed"))
                    .label("opened here")
                    .help("add a `}` before the next declaration"),
            );
        }
    }

    pub(super) fn string_in(&mut self, pair: Pair<'_, Rule>) -> Option<Text> {
        let quoted =
            |p: &Pair<'_, Rule>| matches!(p.as_rule(), Rule::plain_string | Rule::alien_string);
        let string = pair.into_inner().find(quoted)?;
        if string.as_rule() == Rule::alien_string {
            return Some(self.alien_string(&string));
        }
        let span = self.span(&string);
        let text = self.plain_string(string)?;
        Some(Text { text, span })
    }

    /// A string without interpolation.
    pub(super) fn plain_string(&mut self, pair: Pair<'_, Rule>) -> Option<String> {
        let mut parts = pair.clone().into_inner();
        let written = parts.any(|p| p.as_rule() == Rule::plain_text && p.as_str().contains("${"));
        let expr = self.string(pair, 0);
        if written {
            self.report(
                Diagnostic::error(
                    Code::E0405,
                    expr.span,
                    "this text must be fixed and cannot contain `${…}`",
                )
                .label("must be a fixed text")
                .help("write `\\${` for a literal `${`"),
            );
            return None;
        }
        match expr.kind {
            ExprKind::String(text) => Some(text),
            _ => None,
        }
    }

    // ---- Declarations ---------------------------------------------------------------------

    fn used(&mut self, pair: Pair<'_, Rule>) -> Option<Use> {
        let std = pair.clone().into_inner().any(|p| p.as_rule() == Rule::kw_std);
        Some(Use { std, name: self.string_in(pair)? })
    }

    fn const_decl(&mut self, pair: Pair<'_, Rule>) -> Option<Const> {
        let doc = self.doc(&pair);
        let mut name = None;
        let mut value = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::value => value = part.into_inner().next().map(|v| self.value(v, 0)),
                _ => {}
            }
        }
        Some(Const { doc, name: name?, value: value? })
    }

    fn condition_decl(&mut self, pair: Pair<'_, Rule>) -> Option<Condition> {
        let doc = self.doc(&pair);
        let mut name = None;
        let mut parameters = Vec::new();
        let mut body = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::parameter => {
                    let mut parts = part.into_inner();
                    let Some(name) = parts.next().map(|p| self.name(&p)) else { continue };
                    let ty = parts.find(|p| p.as_rule() == Rule::type_expr);
                    parameters.push(Parameter { name, ty: ty.map(|ty| self.type_expr(ty, 0)) });
                }
                Rule::expr => body = Some(self.expr(part, 0)),
                _ => {}
            }
        }
        Some(Condition { doc, name: name?, parameters, body: body? })
    }

    fn fuse(&mut self, pair: Pair<'_, Rule>) -> Option<Fuse> {
        let doc = self.doc(&pair);
        let mut name = None;
        let mut default_on = None;
        let mut body = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::switch => default_on = Some(part.as_str() == "on"),
                Rule::fuse_block => body = Some(part),
                Rule::bad_fuse => {
                    self.bad(&part, Rule::probe_fuse, None);
                    name = part
                        .into_inner()
                        .find(|p| p.as_rule() == Rule::ident)
                        .map(|p| self.name(&p));
                    // The default is reported, and the fuse still counts as declared.
                    default_on = Some(false);
                }
                _ => {}
            }
        }
        let (blow, resets) = (Vec::new(), Vec::new());
        let (name, default_on) = (name?, default_on?);
        let mut fuse =
            Fuse { doc, name, default_on, settings: None, blow, resets, reactions: Vec::new() };
        if let Some(body) = body {
            self.fuse_block(body, &mut fuse);
        }
        Some(fuse)
    }

    fn defaults(&mut self, pair: Pair<'_, Rule>) -> Option<Defaults> {
        let (kind, block) = self.name_and_block(pair);
        Some(Defaults { kind: kind?, block: block? })
    }

    /// The first name and the block of a construct that has both.
    fn name_and_block(&mut self, pair: Pair<'_, Rule>) -> (Option<Text>, Option<Block>) {
        let mut name = None;
        let mut block = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.text_of(&part)),
                Rule::alien_colon => self.alien_colon(&part),
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        (name, block)
    }

    fn source(&mut self, pair: Pair<'_, Rule>) -> Source {
        let doc = self.doc(&pair);
        let span = self.span(&pair);
        let nameless = Text { text: NAMELESS.into(), span };
        let mut source = Source {
            doc,
            name: nameless.clone(),
            kind: nameless,
            preset: None,
            block: Block { fields: Vec::new(), span, incomplete: false },
            events: Vec::new(),
        };
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::source_head => {
                    let mut names = part.into_inner();
                    source.name = names.next().map_or(source.name, |name| self.name(&name));
                    source.kind = names.next().map_or(source.kind, |kind| self.text_of(&kind));
                }
                Rule::bad_head => self.bad_head(&part, Rule::probe_source_head),
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::event_decl => {
                    items.separate(self, &part);
                    source.events.extend(self.event(part));
                }
                Rule::close => self.close(&part, items.open, "this source"),
                _ => self.block_item(part, &mut source.block, &mut items, Rule::probe_field),
            }
        }
        source
    }

    fn event(&mut self, pair: Pair<'_, Rule>) -> Option<EventDecl> {
        let doc = self.doc(&pair);
        let mut event = None;
        for part in pair.into_inner() {
            match (part.as_rule(), &mut event) {
                (Rule::ident, _) => {
                    let name = self.name(&part);
                    event = Some(EventDecl {
                        doc: doc.clone(),
                        name,
                        ty: None,
                        when: Vec::new(),
                        block: None,
                    });
                }
                (Rule::type_expr, Some(event)) => event.ty = Some(self.type_expr(part, 0)),
                (Rule::event_block, Some(event)) => self.event_block(part, event),
                _ => {}
            }
        }
        event
    }

    pub(super) fn bad_duration(&mut self, span: Span) {
        let text = self.text.get(span.range()).unwrap_or("");
        let problem =
            Diagnostic::error(Code::E0107, span, format!("`{text}` is too long a duration"))
                .help("a duration is at most a hundred years");
        self.report(problem);
    }
}
