//! The smallest change of an event that makes a rule match, as data.

use std::collections::BTreeMap;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::analysis::{Analysis, Placed};
use crate::eval::explain::Explained;
use crate::event::Event;
use crate::reference::Budget;
use crate::ruleset::Ruleset;
use crate::typed::Sensor;

/// How many values may be looked at to find the changes of one event.
const MOST_WORK: u64 = 10_000_000;
/// How many rules it is looked for what would make them match one event.
const MOST_RULES: usize = 50;
/// More changes than that tell nobody anything.
const MOST_CHANGES: usize = 20;

/// What would make rules match an event that they do not match.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WouldMatch {
    /// The changes that make them, by the full names of the rules. Where none were found, or more than
    /// twenty, the rule does not stand here.
    pub rules: BTreeMap<String, Counterfactual>,
    /// How many further rules do not match and were not looked at, because there are too many or it
    /// takes too long.
    pub left_out: usize,
}

/// What of an event would have to be otherwise for a rule to match it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Counterfactual {
    /// The changes, in the order of the body; none where the rule matches already.
    pub changes: Vec<Changed>,
    /// The body with all of them made, as JSON; `None` where it would show what is hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// One value that would have to be otherwise.
///
/// As JSON it has `path`, `from` and `to`; one that is hidden has `path` and `"hidden": true` alone, so that
/// nobody takes it for a value that would have to be missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Changed {
    /// A value that may be shown.
    Shown {
        /// Where, as rules write it: `body.alerts[0].status`.
        path: String,
        /// What is there, as JSON, cut where it is long; `None` where nothing is.
        from: Option<String>,
        /// What would have to be there, as JSON; `None` where it would have to be missing.
        to: Option<String>,
    },
    /// A value that is not shown: that of a [sensitive](crate::is_sensitive) header or parameter, or any
    /// value where a rule for the event compares such a header with another value of it.
    Hidden {
        /// Where, as rules write it: `headers.authorization`.
        path: String,
    },
}

impl Changed {
    /// Where, as rules write it.
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

/// `body.status` were "firing" and not "resolved".
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
            Some(from) if to.is_some() => write!(f, " and not {from}"),
            _ => Ok(()),
        }
    }
}

impl Ruleset {
    /// What of an event would have to be otherwise for a rule, by its full name, to match some element
    /// of it: few values, which were tried out. `None` where nothing was found, or there is no such rule
    /// that listens to the event. What fuses, `once` and the action's fields say is not asked.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset, Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let text = r#"source q queue { event e }
    ///               sensor s on q.e { rule r { when body.severity >= 4  trigger page {} } }"#;
    /// let ruleset = Ruleset::parse("a.rules", text, &registry)?;
    /// let event = Event::new("q", "e", br#"{"severity": 2}"#)?;
    ///
    /// let closest = ruleset.closest(&event, "s/r").unwrap();
    /// assert_eq!(closest.changes[0].to_string(), "`body.severity` were 4 and not 2");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn closest(&self, event: &Event<'_>, rule: &str) -> Option<Counterfactual> {
        self.closest_within(event, rule, &Budget::new(MOST_WORK))
    }

    /// What would make those rules match that match no element of an event, by the decisions that
    /// [explaining](crate::Plan::explain) it gave. It takes a second or two at most: fifty rules are looked
    /// at, and no more of them once that took too long.
    ///
    /// ```
    /// # use fuse_rules::{Event, Fuses, Registry, Ruleset, Schema, SourceSchema};
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
    /// assert_eq!(would_match.rules["s/night"].changes[0].to_string(), "`body.hour` were 5 and not 9");
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

    /// What would make these rules match, by their full names, which match no element of an event. It is bounded
    /// as [`would_match`](Self::would_match) is.
    pub fn would_match_rules<'n>(
        &self,
        event: &Event<'_>,
        missed: impl IntoIterator<Item = &'n str>,
    ) -> WouldMatch {
        let budget = Budget::new(MOST_WORK);
        let mut all = WouldMatch::default();
        for (number, rule) in missed.into_iter().enumerate() {
            let found = match number < MOST_RULES && budget.left() > 0 {
                true => self.closest_within(event, rule, &budget),
                false => None,
            };
            match found {
                Some(closest) if (1..=MOST_CHANGES).contains(&closest.changes.len()) => {
                    all.rules.insert(rule.to_owned(), closest);
                }
                // Perhaps there was something to be found.
                None if number >= MOST_RULES || budget.left() == 0 => all.left_out += 1,
                _ => {}
            }
        }
        all
    }

    fn closest_within(
        &self,
        event: &Event<'_>,
        rule: &str,
        budget: &Budget,
    ) -> Option<Counterfactual> {
        let typed = self.typed();
        let of_event =
            |sensor: &&Sensor| sensor.source == event.source() && sensor.event == event.name();
        let rules = typed
            .sensors
            .iter()
            .filter(of_event)
            .flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }));
        let placed = rules.clone().find(|placed| placed.rule.name == rule)?;
        let closest = Analysis::new(typed).closest(placed, event, budget)?;
        // Where a rule does, values of the body may be the value of the header, now or with the changes.
        let hides_all = rules.into_iter().any(Placed::compares_sensitive);
        let changes = closest.changes.into_iter().map(|change| {
            let path = change.path.to_string();
            if hides_all || change.sensitive {
                return Changed::Hidden { path };
            }
            let from = change.from.map(|value| value.show());
            Changed::Shown { path, from, to: change.to.and_then(|value| value.to_json_text().ok()) }
        });
        let body = closest.event.text()?;
        Some(Counterfactual { changes: changes.collect(), body: (!hides_all).then_some(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Changed, MOST_CHANGES, WouldMatch};
    use crate::{Event, Fuses, Registry, Ruleset, Schema, SourceSchema};

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
    fn it_is_of_the_rule_that_is_asked_about_and_exact() {
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
            let closest = ruleset.closest(&event, rule)?;
            Some(closest.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        };
        assert_eq!(changes("s/a").unwrap(), "`body.a` were 1 and not 2");
        assert_eq!(changes("s/b").unwrap(), "`body.b` were 123456789012345678901234567891");
        assert_eq!(changes("t/c"), None);
        assert_eq!(changes("s/none"), None);
    }

    #[test]
    fn rules_that_match_some_element_are_not_asked_about_nor_those_that_cannot() {
        let rules = r#"
            rule some { each x in body.l when x == 1  trigger page {} }
            rule none { each x in body.l when x == 3  trigger page {} }
            rule never { when lower(body.n) == "A"  trigger page {} }"#;
        let found = would_match(rules, r#"{"l": [1, 2]}"#);
        assert_eq!(found.rules.keys().collect::<Vec<_>>(), ["s/none"]);
        assert_eq!(found.left_out, 0);
    }

    #[test]
    fn no_more_than_fifty_rules_are_looked_at_and_the_others_counted() {
        let rule = |i: usize| format!("rule r{i:02} {{ when body.a == {i}  trigger page {{}} }}\n");
        let found = would_match(&(0..60).map(rule).collect::<String>(), r#"{"a": 7}"#);
        // The one that matches is none of those that are looked at.
        assert_eq!((found.rules.len(), found.left_out), (50, 9));
        assert!(found.rules.contains_key("s/r50") && !found.rules.contains_key("s/r51"));
    }

    #[test]
    fn what_is_told_is_short() {
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
        assert_eq!(needing(MOST_CHANGES).rules["s/r"].changes.len(), MOST_CHANGES);
        assert_eq!(needing(MOST_CHANGES + 1), WouldMatch::default());
    }
}
