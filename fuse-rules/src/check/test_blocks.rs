//! Tests: resolves their names, computes their values, and checks their expectations against what
//! the rules can do. It does not read event files, because rules may be loaded where these are not
//! available.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::paths::unknown_parameter;
use super::presets::headers_of;
use super::scope::{Scope, ScopeKind};
use super::test_steps::sent_event;
use super::{Checker, ParsedFile, names};
use crate::decision::Outcome;
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::loader::resolved;
use crate::reference;
use crate::syntax::ast::{self, Block, RuleRef};
use crate::typed::{
    Body, Expect, Expected, ExpectedRule, Fuse, Rule, Rules, Send, Sensor, Test, TestStep,
};
use crate::value::Value;

/// The rules that tests may name.
pub(super) struct TestableRules<'r> {
    /// By full name.
    all: BTreeMap<&'r str, (&'r Sensor, &'r Rule)>,
    /// The full names by short name.
    short: FxHashMap<&'r str, Vec<&'r str>>,
    /// Whether all rules were parsed. If so, a rule that is not listed does not exist.
    pub(super) whole: bool,
    pub(super) fuses: &'r [Fuse],
}

impl<'r> TestableRules<'r> {
    pub(super) fn new(checked: &'r Rules, parsed: &[ParsedFile]) -> Self {
        let mut sensors_of = parsed.iter().flat_map(|file| &file.tree.sensors);
        let whole =
            !sensors_of.any(|s| s.broken || s.incomplete || s.rules.iter().any(|rule| rule.broken));
        let mut rules = Self {
            all: BTreeMap::new(),
            short: FxHashMap::default(),
            whole,
            fuses: &checked.fuses,
        };
        for sensor in &checked.sensors {
            for rule in &sensor.rules {
                rules.all.insert(&rule.name, (&**sensor, rule));
                let (_, short) = rule.name.rsplit_once('/').unwrap_or(("", &rule.name));
                rules.short.entry(short).or_default().push(&rule.name);
            }
        }
        rules
    }

    /// How many keys the clauses that use this limiter have, in ascending order.
    pub(super) fn keys_of_limiter(&self, limiter: &str) -> BTreeSet<usize> {
        let clauses = self.all.values().flat_map(|(_, rule)| &rule.flow);
        let using = clauses.filter(|clause| clause.limiter.as_deref() == Some(limiter));
        using.map(|clause| clause.keys.len()).collect()
    }
}

impl Checker<'_> {
    /// Checks the tests of one file.
    pub(super) fn tests(&mut self, tests: &[ast::Test], rules: &TestableRules<'_>) -> Vec<Test> {
        let mut seen: FxHashMap<&str, &ast::Text> = FxHashMap::default();
        let mut checked = Vec::new();
        for test in tests {
            match seen.get(test.name.text.as_str()).filter(|_| !test.incomplete) {
                Some(first) => self.report(names::declared_twice("test", &test.name, first)),
                None => drop(seen.entry(&test.name.text).or_insert(&test.name)),
            }
            checked.push(self.test(test, rules));
        }
        checked
    }

    fn test(&mut self, test: &ast::Test, rules: &TestableRules<'_>) -> Test {
        let mut steps = Vec::new();
        let mut sent: Vec<(&str, &str)> = Vec::new();
        let all_sent: Vec<_> = test.steps.iter().filter_map(sent_event).collect();
        for step in &test.steps {
            match step {
                ast::TestStep::With { fuse, on } => match self.names.fuse(fuse) {
                    Ok(_) => steps.push(TestStep::With { fuse: fuse.text.clone(), on: *on }),
                    Err(problem) => self.report(*problem),
                },
                ast::TestStep::Response { rule, response } => {
                    steps.extend(self.given_response(rule, response, &all_sent, rules));
                }
                ast::TestStep::Limiter { limiter, used, keys, span } => {
                    steps.extend(self.used_limiter(limiter, *used, (keys, *span), rules));
                }
                ast::TestStep::At(time) => match time.text.parse() {
                    Ok(time) => steps.push(TestStep::At(time)),
                    Err(_) => self.report(
                        Diagnostic::error(Code::E0406, time.span, "`at` takes a point in time")
                            .label("this is not a time")
                            .help("write it as in `at \"2026-08-01T10:00:00Z\"`"),
                    ),
                },
                ast::TestStep::Finish(rule) => {
                    steps.extend(self.finish(rule, &sent, rules).map(TestStep::Finish));
                }
                ast::TestStep::Send(send) => {
                    sent.push((&send.source.text, &send.event.text));
                    steps.extend(self.send(send).map(TestStep::Send));
                }
                ast::TestStep::Answer { rule, is_approved, span } => {
                    let rule = self.answered(rule, &sent, rules);
                    let (is_approved, span) = (*is_approved, *span);
                    steps.extend(rule.map(|rule| TestStep::Answer { rule, is_approved, span }));
                }
                ast::TestStep::Expect(expect) => {
                    if sent.is_empty() && !test.incomplete {
                        self.report(
                            Diagnostic::error(
                                Code::E0602,
                                expect.span,
                                "no event is sent before this",
                            )
                            .label("there is nothing to expect yet")
                            .help("move the `send` above this"),
                        );
                    }
                    let what = self.expected(&expect.what, &sent, rules);
                    steps.extend(
                        what.map(|what| TestStep::Expect(Expect { what, span: expect.span })),
                    );
                }
            }
        }
        Test { name: test.name.text.clone(), span: test.name.span, whole: test.span, steps }
    }

    fn send(&mut self, send: &ast::Send) -> Option<Send> {
        let source = match self.names.source(&send.source) {
            Ok(source) => source,
            Err(problem) => {
                self.report(*problem);
                return None;
            }
        };
        if let Err(problem) = self.names.event(source, &send.event) {
            self.report(*problem);
        }
        let body = match (send.files.as_slice(), send.bodies.as_slice()) {
            ([file], []) => {
                let from = self.included_files.file_name(file.span);
                Body::File { name: resolved(&from, &file.text), span: file.span }
            }
            ([], [body]) => Body::Json(self.json_text(body)?),
            (files, bodies) => {
                let given = files.len() + bodies.len();
                self.report(
                    Diagnostic::error(Code::E0602, send.span, "an event needs exactly one body")
                        .label(if given == 0 { "it has none" } else { "it has several" })
                        .help("write `from \"event.json\"`, or `body { … }`"),
                );
                return None;
            }
        };
        let mut headers: Vec<_> = send.headers.iter().flat_map(|block| self.texts(block)).collect();
        for (name, value) in headers_of(source, &send.event.text) {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(&name)) {
                headers.push((name, value));
            }
        }
        Some(Send {
            source: send.source.text.clone(),
            event: send.event.text.clone(),
            body,
            headers,
            query: send.queries.iter().flat_map(|block| self.texts(block)).collect(),
            path: self.path_parameters(send),
            span: send.span,
        })
    }

    /// The parameters of the path that a test sends an event to.
    fn path_parameters(&mut self, send: &ast::Send) -> Vec<(String, String)> {
        let key = (send.source.text.clone(), send.event.text.clone());
        let known = self.bodies.get(&key).map(|view| view.parameters.clone()).unwrap_or_default();
        let fields: Vec<_> = send.paths.iter().flat_map(|block| &block.fields).collect();
        let unknown: Vec<_> =
            fields.iter().filter(|field| !known.contains(&field.key.text)).collect();
        for field in &unknown {
            self.report(unknown_parameter(&field.key.text, &known, field.key.span));
        }
        let given: Vec<_> = send.paths.iter().flat_map(|block| self.texts(block)).collect();
        let is_missing = |name: &&String| {
            !fields.iter().any(|field| field.key.text == **name)
                || given.contains(&((*name).clone(), String::new()))
        };
        // A parameter that is not known is probably meant to be the missing one.
        for name in known.iter().filter(is_missing).filter(|_| unknown.is_empty()) {
            let message = format!("this event needs the parameter `{name}` of its path");
            self.report(
                Diagnostic::error(Code::E0602, send.span, message)
                    .label("every request has this parameter")
                    .help(format!("add `path {{ {name} = \"…\" }}`")),
            );
        }
        given
    }

    /// A block whose fields are texts.
    fn texts(&mut self, block: &Block) -> Vec<(String, String)> {
        let Some(Json::Object(map)) = self.block_value(block) else { return Vec::new() };
        let text = |value: Json| match value {
            Json::String(text) => text,
            other => other.to_string(),
        };
        map.into_iter().map(|(key, value)| (key, text(value))).collect()
    }

    /// The value of an expression without an event, as the JSON to send.
    fn json_text(&mut self, expr: &ast::Expr) -> Option<String> {
        let value = self.fixed(expr)?;
        match value.to_json_text() {
            Ok(text) => Some(text),
            Err(unheld) => {
                let why = format!("this cannot be written as JSON: {unheld}");
                self.error(Code::E0406, expr.span, why, "cannot be sent");
                None
            }
        }
    }

    pub(super) fn fixed(&mut self, expr: &ast::Expr) -> Option<Value<'static>> {
        let before = self.problems.len();
        let mut scope = Scope::without_event(ScopeKind::Test);
        let (typed, _) = self.expr(expr, &mut scope);
        if self.has_errors_since(before) {
            return None;
        }
        match reference::constant(&typed) {
            Ok(value) => Some(value),
            Err(fault) => {
                let message = format!("this has no value: {}", fault.reason());
                self.error(Code::E0215, expr.span, message, "this cannot be computed");
                None
            }
        }
    }

    pub(super) fn block_value(&mut self, block: &Block) -> Option<Json> {
        let kind = ast::ExprKind::Record(block.clone());
        let value = self.fixed(&ast::Expr { kind, span: block.span })?;
        value.to_json().ok()
    }

    fn expected(
        &mut self,
        expected: &ast::Expected,
        sent: &[(&str, &str)],
        rules: &TestableRules<'_>,
    ) -> Option<Expected> {
        Some(match expected {
            ast::Expected::NothingElse => Expected::NothingElse,
            ast::Expected::Blown(fuse, fields) => {
                self.expected_blown(fuse, fields.as_ref(), rules.fuses)?
            }
            ast::Expected::No(rule, reaction) => {
                let (_, rule) = self.rule_named(rule, sent, rules)?;
                Expected::No(match reaction {
                    Some(kind) => self.expected_reaction(kind, rule)?.name.clone(),
                    None => rule.name.clone(),
                })
            }
            ast::Expected::Rule(expected) => {
                Expected::Rule(Box::new(self.expected_rule(expected, sent, rules)?))
            }
        })
    }

    fn expected_rule(
        &mut self,
        expected: &ast::ExpectedRule,
        sent: &[(&str, &str)],
        rules: &TestableRules<'_>,
    ) -> Option<ExpectedRule> {
        let (sensor, rule) = self.rule_named(&expected.rule, sent, rules)?;
        let reaction = match &expected.reaction {
            Some(kind) => {
                let reaction = self.expected_reaction(kind, rule)?;
                if rule.is_shadow {
                    self.never(
                        kind.span,
                        format!("rule `{}` does not react: it is in shadow", rule.name),
                        "remove `shadow` from the rule, or remove the expectation",
                    );
                }
                Some(reaction)
            }
            None => None,
        };
        let outcome = match &expected.outcome {
            Some(outcome) => {
                let named = Outcome::ALL.into_iter().find(|known| known.as_str() == outcome.text);
                let named = named.unwrap_or(Outcome::Fired);
                match reaction {
                    Some(reaction) => self.check_outcome_of_reaction(named, outcome.span, reaction),
                    None => self.check_outcome(named, outcome.span, rule),
                }
                named
            }
            None => {
                if reaction.is_none() {
                    self.check_outcome(Outcome::Fired, expected.rule.span, rule);
                }
                Outcome::Fired
            }
        };
        if let Some((path, span)) = &expected.element {
            let depth = [&sensor.each, &rule.each].into_iter().flatten().count();
            if path.len() != depth {
                self.never(
                    *span,
                    match depth {
                        0 => format!("rule `{}` has no `each`", rule.name),
                        1 => format!("rule `{}` iterates over one list", rule.name),
                        _ => format!("rule `{}` iterates over two lists", rule.name),
                    },
                    match depth {
                        0 => "leave `for element` out, or give the rule an `each`",
                        1 => "identify the element by one number, as in `for element 0`",
                        _ => {
                            "identify the element by one number per list, as in `for element 0, 1`"
                        }
                    },
                );
            }
        }
        let fields = expected.fields.as_ref().and_then(|block| {
            if !outcome.is_rendered() {
                self.never(
                    block.span,
                    format!("only a rule that fired or is in shadow has fields, but `{outcome}` is expected"),
                    "leave the block out, or expect the rule to fire",
                );
            }
            match reaction {
                Some(reaction) => self.expected_fields(block, &reaction.name, &reaction.triggers),
                None => self.expected_fields(block, &rule.name, &rule.triggers),
            }
        });
        Some(ExpectedRule {
            rule: reaction.map_or(&rule.name, |reaction| &reaction.name).clone(),
            reaction: reaction.map(|reaction| reaction.kind),
            outcome,
            count: expected.count.map(|(count, _)| count),
            element: expected.element.as_ref().map(|(path, _)| path.clone()),
            because: expected.because.as_ref().map(|because| because.text.clone()),
            fields,
        })
    }

    /// The rule that a test means: by its full name, or by its short name if exactly one sensor
    /// that listens to the sent event has such a rule, or exactly one that the file declares or uses.
    pub(super) fn rule_named<'r>(
        &mut self,
        name: &RuleRef,
        sent: &[(&str, &str)],
        rules: &TestableRules<'r>,
    ) -> Option<(&'r Sensor, &'r Rule)> {
        let listens =
            |sensor: &Sensor| sent.iter().any(|(source, event)| sensor.listens_to(source, event));
        let named: Vec<_> = match rules.all.get(name.text.as_str()) {
            Some(rule) => vec![*rule],
            None => {
                let full = rules.short.get(name.text.as_str()).into_iter().flatten();
                full.filter_map(|full| rules.all.get(full).copied()).collect()
            }
        };
        let mut listening: Vec<_> = named.iter().filter(|(sensor, _)| listens(sensor)).collect();
        // Another file may have a rule of the same name, which the author of the test does not know.
        let sees = |sensor: &Sensor| self.names.sees(name.span.file, sensor.span.file);
        if listening.iter().filter(|(sensor, _)| sees(sensor)).count() == 1 {
            listening.retain(|(sensor, _)| sees(sensor));
        }
        let mut listening = listening.into_iter();
        match (listening.next(), listening.next(), named.first()) {
            (Some((sensor, rule)), None, _) => {
                self.names.references().add_rule(name, sensor, rule);
                return Some((*sensor, *rule));
            }
            (Some((_, first)), Some((_, second)), _) => self.report(
                Diagnostic::error(
                    Code::E0601,
                    name.span,
                    format!("two rules are named `{}`", name.text),
                )
                .label("ambiguous")
                .related(first.span, "this one")
                .related(second.span, "or this one")
                .help(format!("write `{}` or `{}`", first.name, second.name)),
            ),
            (None, _, Some((sensor, rule))) if !sent.is_empty() => self.report(
                Diagnostic::error(
                    Code::E0601,
                    name.span,
                    format!("rule `{}` does not listen to the event that is sent", rule.name),
                )
                .label("never decided in this test")
                .related(rule.span, "the rule is here")
                .help(format!("send an event that it listens to: {}", sends(sensor))),
            ),
            (None, _, None) if rules.whole => {
                let text = ast::Text { text: name.text.clone(), span: name.span };
                let known: Vec<&str> = if name.text.contains('/') {
                    rules.all.keys().copied().collect()
                } else {
                    rules.short.keys().copied().collect()
                };
                let near = suggest::misspelt(&name.text, known.iter().copied());
                let problem = Diagnostic::error(
                    Code::E0601,
                    name.span,
                    format!("there is no rule `{}`", name.text),
                )
                .label("not declared");
                self.report(match near {
                    _ if name.text == "nothing" => problem.help("write `expect nothing else`"),
                    Some(_) => problem.suggest(&text, known.iter().copied(), "the rules are"),
                    None => problem
                        .help("write its name as declared, and `use` the file that declares it"),
                });
            }
            _ => {}
        }
        None
    }
}

/// The steps that send an event to a sensor: `` `send a.x …` or `send a.y …` ``.
fn sends(sensor: &Sensor) -> String {
    let steps: Vec<_> = sensor.events.iter().map(|event| format!("`send {event} …`")).collect();
    steps.join(" or ")
}
