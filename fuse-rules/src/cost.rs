//! The maximum cost of a rule for one event, computed without an event.
//!
//! The unit of cost is one value that is examined. The lengths of an event's lists are not known,
//! so `each` counts as its `max` and every other list as a thousand elements.

use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::ruleset::Ruleset;
use crate::semantics::{Cost, Count};
use crate::span::{Files, Span};
use crate::typed::{Each, Expr, Rule, Rules, Sensor};

/// The maximum cost of a rule, including the clauses of its sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCost<'a> {
    /// The rule's full name, `sensor/rule`.
    pub rule: &'a str,
    /// The maximum number of values that the rule examines for one event.
    pub cost: u64,
    /// The part that contributes most; `None` if the rule examines nothing.
    pub most_expensive: Option<CostPart>,
}

/// One clause, key or parameter of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostPart {
    /// Its text, on one line.
    pub text: String,
    /// Its position, as `file:line:column`.
    pub place: String,
    /// Its total cost, over all of its evaluations.
    pub cost: u64,
}

impl Ruleset {
    /// The maximum cost of each rule, in the order of the rules: an upper bound on the number of
    /// values that the rule examines for one event.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let text = r#"source q queue { event e }
    ///               sensor s on q.e { each x in body.list max 50
    ///                                 rule r { when x.a == 1  trigger page {} } }"#;
    /// let ruleset = Ruleset::parse("x.rules", text, &registry)?;
    /// assert_eq!(ruleset.costs().next().unwrap().cost, 101);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn costs(&self) -> impl Iterator<Item = RuleCost<'_>> {
        costs(self.typed())
    }

    /// Checks that no rule can cost more than this.
    ///
    /// # Errors
    /// A problem for each rule that can cost more.
    pub fn within_cost(&self, most: u64) -> Result<(), Diagnostics> {
        match problems(self.typed(), most) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(Diagnostics::new(self.files().clone(), problems)),
        }
    }
}

/// The costs of all rules, in their order.
fn costs(rules: &Rules) -> impl Iterator<Item = RuleCost<'_>> {
    all(rules).map(|(rule, parts)| RuleCost {
        rule: &rule.name,
        cost: parts.sum(),
        most_expensive: parts.most_expensive().map(|(cost, span)| CostPart {
            text: one_line(&rules.files, span),
            place: rules.files.locate(span),
            cost,
        }),
    })
}

/// The problems of rules that can cost more than this.
fn problems(rules: &Rules, most: u64) -> Vec<Diagnostic> {
    let dear = all(rules).filter(|(_, parts)| parts.sum() > most);
    dear.map(|(rule, parts)| {
        let message = format!(
            "rule `{}` could examine {} values of one event; the limit is {}",
            rule.name,
            with_commas(parts.sum()),
            with_commas(most)
        );
        let mut problem = Diagnostic::error(Code::E0509, rule.span, message)
            .label("too expensive")
            .help("lower the `max` of its `each`, nest fewer quantifiers, or raise `max_cost` of `[rules]` in fuse.toml");
        if let Some((cost, span)) = parts.most_expensive() {
            problem = problem.related(span, format!("{} of them here", with_commas(cost)));
        }
        problem
    })
    .collect()
}

/// `12,000`.
fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn one_line(files: &Files, span: Span) -> String {
    files.text(span).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Every rule with its parts, the clauses of its sensor first. An `unless` is evaluated for other events than its rule:
/// of both, the more expensive one counts.
fn all(rules: &Rules) -> impl Iterator<Item = (&Rule, Parts)> {
    rules.sensors.iter().flat_map(|sensor| {
        sensor.rules.iter().map(|rule| {
            let cancellers = rule.cancellable().flat_map(|(clause, unless)| {
                let canceller = rule.canceller(clause, unless);
                let rules = canceller.rules.iter();
                rules.map(|own| Parts::new(&canceller, own)).collect::<Vec<_>>()
            });
            let parts = cancellers.fold(Parts::new(sensor, rule), |most, own| {
                if own.sum() > most.sum() { own } else { most }
            });
            (rule, parts)
        })
    })
}

/// The costs of the parts of a rule.
struct Parts {
    /// How many times the next part is evaluated.
    times: u64,
    parts: Vec<(u64, Span)>,
}

impl Parts {
    fn new(sensor: &Sensor, rule: &Rule) -> Self {
        let mut parts = Self { times: 1, parts: Vec::new() };
        parts.each(sensor.each.as_ref());
        parts.exprs(&sensor.when);
        parts.each(rule.each.as_ref());
        parts.exprs(&rule.when);
        rule.all_flow_keys().for_each(|key| parts.exprs(std::slice::from_ref(key)));
        for trigger in rule.all_triggers() {
            Cost::mapped(&trigger.fields, &mut |expr| {
                parts.add(Cost::examined(expr).assumed(), expr.span);
            });
        }
        parts
    }

    fn sum(&self) -> u64 {
        self.parts.iter().fold(0, |sum, (cost, _)| sum.saturating_add(*cost))
    }

    /// The most expensive part, and the first of equal ones.
    fn most_expensive(&self) -> Option<(u64, Span)> {
        let most_expensive = self.parts.iter().rev().max_by_key(|(cost, _)| *cost);
        most_expensive.copied().filter(|(cost, _)| *cost > 0)
    }

    fn add(&mut self, cost: u64, span: Span) {
        self.parts.push((cost.saturating_mul(self.times), span));
    }

    /// Iterates over a list: the following parts are evaluated once per element.
    fn each(&mut self, each: Option<&Each>) {
        if let Some(each) = each {
            let max = u64::try_from(each.max).unwrap_or(u64::MAX);
            let elements = Count::of(&each.list).assumed(Some(max));
            let list = Cost::examined(&each.list).assumed();
            self.add(list.saturating_add(elements), each.list.span);
            self.times = self.times.saturating_mul(elements);
        }
    }

    fn exprs(&mut self, exprs: &[Expr]) {
        exprs.iter().for_each(|expr| self.add(Cost::of(expr).assumed(), expr.span));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::eval::tests::{load, registry};
    use crate::ruleset::Ruleset;

    fn rules(clauses: &str) -> String {
        format!(
            "source q queue {{ event e }}\nconst known = [\"a\", \"b\"]\ncondition has(l, n) = any(x in l: x.n == n)\nsensor s on q.e {{ {clauses} }}"
        )
    }

    #[test]
    fn lists_multiply_and_max_bounds_them() {
        let cost = |clauses: &str| {
            let text = rules(&format!("rule r {{ {clauses}\n trigger note {{}} }}"));
            load(&text).costs().next().unwrap().cost
        };
        for (clauses, expected) in [
            ("", 0),
            ("when true", 0),
            ("when body.a == 1", 1),
            ("when body.a == body.b and not (body.c ?? 1) == 2", 3),
            ("when body.a like \"x*\"", 11),
            ("when lower(body.a) contains body.b", 26),
            ("when body.a in known", 3),
            ("when body.a in body.l", 1_002),
            ("when any(x in body.l: x.a == 1)", 2_001),
            ("when any(x in known: x == body.a)", 6),
            ("when any(x in filter(y in body.l: y.a == 1): x.b == 2)", 4_003),
            ("when any(x in body.l: any(y in x.l: y == 1))", 1_000 * 2_002 + 1),
            ("when has(body.l, body.n)", 3_001),
            ("each x in body.l max 10\n when x.a == 1 and x.b == 1", 11 + 20),
            ("each x in body.l\n when x.a == 1", 1_001 + 1_000),
            ("once per body.a, body.b within 1h", 2),
            ("limit 3 per 1h per body.a, body.b", 2),
            ("after 3 within 1h per body.a, body.b", 2),
            ("limit 3 per 1h", 0),
        ] {
            assert_eq!(cost(clauses), expected, "{clauses}");
        }
        let text = rules(
            "each a in body.l max 10\n when a.x == 1\n rule r { each b in a.m max 20\n when b.y == 2\n trigger note { value = { k = b.z, l = [b.v, a.v] } } }",
        );
        let ruleset = load(&text);
        let cost = ruleset.costs().next().unwrap();
        assert_eq!(cost.cost, 11 + 10 + 10 * 21 + 200 + 11 * 200);
        let most_expensive = cost.most_expensive.unwrap();
        assert_eq!(
            (most_expensive.text.as_str(), most_expensive.cost),
            ("{ k = b.z, l = [b.v, a.v] }", 2_200)
        );
        let nested: String = (0..12).map(|i| format!("any(x{i} in body.l: ")).collect();
        assert_eq!(
            load(&rules(&format!(
                "rule r {{ when {nested}true{}\n trigger note {{}} }}",
                ")".repeat(12)
            )))
            .costs()
            .next()
            .unwrap()
            .cost,
            u64::MAX
        );
    }

    #[test]
    fn expensive_rules_are_reported_with_their_most_expensive_part() {
        let text = rules(
            "each a in body.l\n rule cheap { when a.x == 1\n trigger note {} }\n rule dear { when a.x == 1 and has(a.l, body.n)\n trigger note {} }",
        );
        let loaded = BTreeMap::from([("test.rules", text.as_str())]);
        let ruleset = Ruleset::load(&["test.rules"], &loaded, &registry()).unwrap();
        assert!(ruleset.within_cost(3_003_000).is_err());
        assert!(ruleset.within_cost(3_003_001).is_ok());
        insta::assert_snapshot!(ruleset.within_cost(1_000_000).unwrap_err(), @"
        error[E0509]: rule `s/dear` could examine 3,003,001 values of one event; the limit is 1,000,000
         --> test.rules:7:7
          |
        7 |  rule dear { when a.x == 1 and has(a.l, body.n)
          |       ^^^^        ----------------------------- 3,002,000 of them here
          |       |
          |       too expensive
          |
          = help: lower the `max` of its `each`, nest fewer quantifiers, or raise `max_cost` of `[rules]` in fuse.toml
        ");
    }
}
