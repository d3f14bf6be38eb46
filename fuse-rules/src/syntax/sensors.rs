//! Converts pest's pairs to the tree: sensors and rules.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{ExprKind, Reaction, Rule as RuleDecl, Sensor, Shared, Text};
use super::lower::{Lower, NAMELESS};

impl Lower<'_> {
    pub(super) fn sensor(&mut self, pair: Pair<'_, Rule>) -> Sensor {
        let doc = self.doc(&pair);
        let nameless = Text { text: NAMELESS.into(), span: self.span(&pair) };
        let mut sensor = Sensor {
            doc,
            name: nameless,
            events: Vec::new(),
            shared: Shared::default(),
            rules: Vec::new(),
            broken: true,
            incomplete: false,
        };
        let mut open = None;
        let mut before = None;
        for part in pair.into_inner() {
            let start = part.as_span().start();
            match part.as_rule() {
                Rule::sensor_head => {
                    sensor.broken = false;
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::ident => sensor.name = self.name(&part),
                            Rule::event_ref => sensor.events.extend(self.event_ref(part)),
                            _ => {}
                        }
                    }
                }
                Rule::bad_head => self.bad_head(&part, Rule::probe_sensor_head),
                Rule::brace_open => open = Some(self.span(&part)),
                Rule::rule_decl => sensor.rules.push(self.rule(part)),
                Rule::alien_end => self.alien_end(&part),
                Rule::bad_clause => {
                    sensor.incomplete = true;
                    self.bad_clause(&part, before, &mut sensor.shared);
                }
                Rule::close => {
                    let what = titled("sensor", &sensor.name.text);
                    self.close(&part, open, &what);
                }
                _ => self.shared_clause(part, &mut sensor.shared),
            }
            before = Some(start);
        }
        sensor
    }

    fn rule(&mut self, pair: Pair<'_, Rule>) -> RuleDecl {
        let doc = self.doc(&pair);
        let mut rule = RuleDecl {
            doc,
            name: Text { text: NAMELESS.into(), span: self.span(&pair) },
            shared: Shared::default(),
            triggers: Vec::new(),
            reactions: Vec::new(),
            broken: true,
            incomplete: false,
        };
        let mut open = None;
        let mut before = None;
        for part in pair.into_inner() {
            let start = part.as_span().start();
            match part.as_rule() {
                Rule::rule_head => {
                    if let Some(name) = part.into_inner().next() {
                        rule.broken = false;
                        rule.name = self.name(&name);
                    }
                }
                Rule::bad_head => self.bad_head(&part, Rule::probe_rule_head),
                Rule::brace_open => open = Some(self.span(&part)),
                Rule::trigger_clause => rule.triggers.extend(self.trigger(part)),
                Rule::reaction_clause => rule.reactions.push(self.reaction(part)),
                Rule::alien_end => self.alien_end(&part),
                Rule::bad_clause => {
                    rule.incomplete = true;
                    self.bad_clause(&part, before, &mut rule.shared);
                }
                Rule::close => {
                    let what = titled("rule", &rule.name.text);
                    self.close(&part, open, &what);
                }
                _ => self.shared_clause(part, &mut rule.shared),
            }
            before = Some(start);
        }
        rule
    }

    pub(super) fn reaction(&mut self, pair: Pair<'_, Rule>) -> Reaction {
        let mut reaction = Reaction {
            kinds: Vec::new(),
            flow: Vec::new(),
            triggers: Vec::new(),
            span: self.span(&pair),
            incomplete: false,
        };
        let mut shared = Shared::default();
        let mut open = None;
        let mut before = None;
        for part in pair.into_inner() {
            let start = part.as_span().start();
            match part.as_rule() {
                Rule::reaction_head => {
                    let kinds = part.into_inner().filter(|part| part.as_rule() == Rule::ident);
                    reaction.kinds = kinds.map(|kind| self.text_of(&kind)).collect();
                }
                Rule::brace_open => open = Some(self.span(&part)),
                Rule::trigger_clause => reaction.triggers.extend(self.trigger(part)),
                Rule::alien_end => self.alien_end(&part),
                Rule::bad_clause => {
                    reaction.incomplete = true;
                    self.bad(&part, Rule::probe_reaction_clause, before);
                }
                Rule::close => self.close(&part, open, "this `on`"),
                _ => self.shared_clause(part, &mut shared),
            }
            before = Some(start);
        }
        reaction.flow = shared.flow;
        reaction
    }

    /// Text that is not a clause. If it continues a condition, that condition was parsed only in
    /// part.
    fn bad_clause(&mut self, pair: &Pair<'_, Rule>, before: Option<usize>, shared: &mut Shared) {
        self.bad(pair, Rule::probe_clause, before);
        let start = pair.as_span().start();
        let line = before.and_then(|before| self.text.get(before..start));
        if line.is_some_and(|line| line.starts_with("when") && !line.contains('\n'))
            && let Some(condition) = shared.when.last_mut()
        {
            condition.kind = ExprKind::Error;
        }
    }
}

/// `rule `x``, or `this rule` if its name did not parse.
fn titled(what: &str, name: &str) -> String {
    if name.is_empty() { format!("this {what}") } else { format!("{what} `{name}`") }
}
