//! Counterfactuals as data: the smallest change of an event that makes a rule match.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::analysis::{Analysis, Placed};
use crate::eval::explain::Explained;
use crate::event::Event;
use crate::reference::WorkBudget;
use crate::ruleset::Ruleset;
use crate::typed::Sensor;

/// The maximum number of values to examine for the counterfactuals of one event.
const MAX_WORK: u64 = 10_000_000;
/// The maximum number of rules to search counterfactuals for.
const MAX_RULES: usize = 50;
/// A counterfactual with more changes is not useful to a person.
const MAX_CHANGES: usize = 20;

/// Counterfactuals for the rules that do not match an event.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WouldMatch {
    /// The counterfactuals, by the full names of the rules. A rule is missing if no counterfactual
    /// was found, or only one with more than twenty changes.
    pub rules: BTreeMap<String, Counterfactual>,
    /// The number of further rules that do not match and were not searched, because there are too
    /// many or the search takes too long.
    pub left_out: usize,
}

/// The changes that make a rule match an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counterfactual {
    /// The changes, in the order of the body; empty if the rule already matches.
    pub changes: Vec<Changed>,
    /// The body with all changes, as JSON; `None` if it would show a hidden value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// One change of an event.
///
/// The JSON has `path`, `from` and `to`. For a hidden change, it only has `path` and `"hidden":
/// true`, so that nobody mistakes it for a value that has to be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// A value that may be shown.
    Shown {
        /// The path of the value, as rules write it: `body.alerts[0].status`.
        path: String,
        /// The current value as JSON, truncated if long; `None` if there is none.
        from: Option<String>,
        /// The new value as JSON; `None` if it has to be missing.
        to: Option<String>,
    },
    /// A hidden value: that of a [sensitive](crate::explain::is_sensitive) header or parameter, or any value
    /// if a rule for the event compares such a header with another value of the event.
    Hidden {
        /// The path of the value, as rules write it: `headers.authorization`.
        path: String,
    },
}

impl Changed {
    /// The path of the value, as rules write it.
    pub fn path(&self) -> &str {
        match self {
            Self::Shown { path, .. } | Self::Hidden { path } => path,
        }
    }
}

impl Serialize for Changed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Shown { path, from, to } => {
                let mut map = serializer.serialize_struct("Changed", 3)?;
                map.serialize_field("path", path)?;
                map.serialize_field("from", from)?;
                map.serialize_field("to", to)?;
                map.end()
            }
            Self::Hidden { path } => {
                let mut map = serializer.serialize_struct("Changed", 2)?;
                map.serialize_field("path", path)?;
                map.serialize_field("hidden", &true)?;
                map.end()
            }
        }
    }
}

/// Prints the change as a clause after "if": `body.status` were "firing" instead of "resolved".
impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, from, to) = match self {
            Self::Shown { path, from, to } => (path, from, to),
            Self::Hidden { path } => {
                return write!(f, "`{path}` were another value, which is hidden");
            }
        };
        match to {
            Some(to) => write!(f, "`{path}` were {to}")?,
            None => write!(f, "`{path}` were missing")?,
        }
        match from {
            Some(from) if from.starts_with(['[', '{']) => Ok(()),
            Some(from) if to.is_some() => write!(f, " instead of {from}"),
            _ => Ok(()),
        }
    }
}

impl Ruleset {
    /// The smallest change found that makes a rule match some element of an event. `rule` is its
    /// full name. The result is verified by evaluation. `None` if no change was found, or if no
    /// rule of this name listens to the event. Fuses, flow control and the fields of the action are
    /// ignored.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let text = r#"source q queue { event e }
    ///               sensor s on q.e { rule r { when body.severity >= 4  trigger page {} } }"#;
    /// let ruleset = Ruleset::parse("a.rules", text, &registry)?;
    /// let event = Event::new("q", "e", br#"{"severity": 2}"#)?;
    ///
    /// let counterfactual = ruleset.counterfactual(&event, "s/r").unwrap();
    /// assert_eq!(counterfactual.changes[0].to_string(), "`body.severity` were 4 instead of 2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn counterfactual(&self, event: &Event<'_>, rule: &str) -> Option<Counterfactual> {
        self.counterfactual_within(event, rule, &WorkBudget::new(MAX_WORK))
    }

    /// Counterfactuals for the rules that match no element of an event, given the decisions of
    /// [`explain`](crate::Plan::explain). This takes a second or two at most: it stops after fifty
    /// rules, or when its budget is spent.
    ///
    /// ```
    /// # use fuse_rules::{Event, Fuses, Registry, Ruleset};
    /// # use fuse_rules::schema::{Schema, SourceSchema};
    /// # let registry = Registry::new()
    /// #     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    /// #     .trigger(Schema::new("page", "Calls a human."));
    /// let text = r#"source q queue { event e }
    ///               sensor s on q.e {
    ///                 rule night { when body.hour < 6  trigger page {} }
    ///                 rule day { when body.hour >= 6  trigger page {} }
    ///               }"#;
    /// let ruleset = Ruleset::parse("a.rules", text, &registry)?;
    /// let event = Event::new("q", "e", br#"{"hour": 9}"#)?;
    ///
    /// let explanation = ruleset.plan().explain(&event, &Fuses::default());
    /// let would_match = ruleset.would_match(&event, &explanation.decisions);
    /// assert_eq!(would_match.rules.len(), 1);
    /// assert_eq!(would_match.rules["s/night"].changes[0].to_string(), "`body.hour` were 5 instead of 9");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn would_match(&self, event: &Event<'_>, decisions: &[Explained]) -> WouldMatch {
        let mut matched: BTreeMap<&str, bool> = BTreeMap::new();
        for explained in decisions {
            let decision = &explained.decision;
            *matched.entry(&decision.rule).or_default() |= decision.outcome.holds();
        }
        let missed = matched.into_iter().filter(|(_, matched)| !matched).map(|(rule, _)| rule);
        self.would_match_rules(event, missed)
    }

    /// Counterfactuals for these rules, given by their full names. They must match no element of
    /// the event. The limits are those of [`would_match`](Self::would_match).
    pub fn would_match_rules<'n>(
        &self,
        event: &Event<'_>,
        missed: impl IntoIterator<Item = &'n str>,
    ) -> WouldMatch {
        let budget = WorkBudget::new(MAX_WORK);
        let mut all = WouldMatch::default();
        for (number, rule) in missed.into_iter().enumerate() {
            let found = match number < MAX_RULES && budget.left() > 0 {
                true => self.counterfactual_within(event, rule, &budget),
                false => None,
            };
            match found {
                Some(counterfactual)
                    if (1..=MAX_CHANGES).contains(&counterfactual.changes.len()) =>
                {
                    all.rules.insert(rule.to_owned(), counterfactual);
                }
                // When the budget is spent, an empty result is not conclusive.
                None if number >= MAX_RULES || budget.left() == 0 => all.left_out += 1,
                _ => {}
            }
        }
        all
    }

    fn counterfactual_within(
        &self,
        event: &Event<'_>,
        rule: &str,
        budget: &WorkBudget,
    ) -> Option<Counterfactual> {
        let typed = self.typed();
        let of_event = |sensor: &&Arc<Sensor>| sensor.listens_to(event.source(), event.name());
        let rules = typed
            .sensors
            .iter()
            .filter(of_event)
            .flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }));
        let placed = rules.clone().find(|placed| placed.rule.name == rule)?;
        let counterfactual = Analysis::new(typed).counterfactual(placed, event, budget)?;
        // If any rule does, values of the body may reveal the header, with or without the changes.
        let hides_all = rules.into_iter().any(Placed::compares_sensitive);
        let changes = counterfactual.changes.into_iter().map(|change| {
            let path = change.path.to_string();
            if hides_all || change.sensitive {
                return Changed::Hidden { path };
            }
            let from = change.from.map(|value| value.show());
            Changed::Shown { path, from, to: change.to.and_then(|value| value.to_json_text().ok()) }
        });
        let body = counterfactual.event.text()?;
        Some(Counterfactual { changes: changes.collect(), body: (!hides_all).then_some(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Changed, MAX_CHANGES, WouldMatch};
    use crate::schema::{Schema, SourceSchema};
    use crate::{Event, Fuses, Registry, Ruleset};

    fn ruleset(text: &str) -> Ruleset {
        let registry = Registry::new()
            .source(SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
            .trigger(Schema::new("page", ""));
        Ruleset::parse("a.rules", text, &registry).unwrap()
    }

    fn would_match(rules: &str, body: &str) -> WouldMatch {
        let ruleset =
            ruleset(&format!("source q queue {{ event e }} sensor s on q.e {{ {rules} }}"));
        let event = Event::new("q", "e", body.as_bytes()).unwrap();
        let explanation = ruleset.plan().explain(&event, &Fuses::default());
        ruleset.would_match(&event, &explanation.decisions)
    }

    #[test]
    fn a_counterfactual_is_for_the_given_rule_and_exact() {
        let ruleset = ruleset(
            "source q queue { event e, event other }
            sensor s on q.e {
              rule a { when body.a == 1  trigger page {} }
              rule b { when body.b == 123456789012345678901234567891  trigger page {} }
            }
            sensor t on q.other { rule c { trigger page {} } }",
        );
        let event = Event::new("q", "e", br#"{"a": 2}"#).unwrap();
        let changes = |rule: &str| {
            let counterfactual = ruleset.counterfactual(&event, rule)?;
            Some(
                counterfactual
                    .changes
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        };
        assert_eq!(changes("s/a").unwrap(), "`body.a` were 1 instead of 2");
        assert_eq!(changes("s/b").unwrap(), "`body.b` were 123456789012345678901234567891");
        assert_eq!(changes("t/c"), None);
        assert_eq!(changes("s/none"), None);
    }

    #[test]
    fn rules_that_match_or_cannot_match_are_left_out() {
        let rules = r#"
            rule some { each x in body.l when x == 1  trigger page {} }
            rule none { each x in body.l when x == 3  trigger page {} }
            rule never { when lower(body.n) == "A"  trigger page {} }"#;
        let found = would_match(rules, r#"{"l": [1, 2]}"#);
        assert_eq!(found.rules.keys().collect::<Vec<_>>(), ["s/none"]);
        assert_eq!(found.left_out, 0);
    }

    #[test]
    fn at_most_fifty_rules_are_searched_and_the_others_counted() {
        let rule = |i: usize| format!("rule r{i:02} {{ when body.a == {i}  trigger page {{}} }}\n");
        let found = would_match(&(0..60).map(rule).collect::<String>(), r#"{"a": 7}"#);
        // The rule that matches is not searched.
        assert_eq!((found.rules.len(), found.left_out), (50, 9));
        assert!(found.rules.contains_key("s/r50") && !found.rules.contains_key("s/r51"));
    }

    #[test]
    fn long_results_are_left_out() {
        let rule = "rule r { when body.a is missing  trigger page {} }";
        let body = format!(r#"{{"a": "{}"}}"#, "x".repeat(1_000));
        let found = would_match(rule, &body);
        let Changed::Shown { from: Some(from), .. } = &found.rules["s/r"].changes[0] else {
            panic!("{found:?}")
        };
        assert!(from.chars().count() < 100 && from.ends_with('…'), "{from}");

        let needing = |count: usize| {
            let conditions: Vec<_> = (0..count).map(|i| format!("body.a{i} == 1")).collect();
            let rule = format!("rule r {{ when {}  trigger page {{}} }}", conditions.join(" and "));
            would_match(&rule, "{}")
        };
        assert_eq!(needing(MAX_CHANGES).rules["s/r"].changes.len(), MAX_CHANGES);
        assert_eq!(needing(MAX_CHANGES + 1), WouldMatch::default());
    }
}
