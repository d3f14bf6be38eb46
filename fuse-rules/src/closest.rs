//! The smallest change of an event that makes a rule match, as data.

use serde::Serialize;

use crate::analysis::{Analysis, Placed};
use crate::event::Event;
use crate::ruleset::Ruleset;
use crate::value::Value;

/// What of an event would have to be otherwise for a rule to match it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Closest {
    /// The changes, in the order of the body; none where the rule matches already.
    pub changes: Vec<Changed>,
    /// The body with all of them made, as JSON.
    pub body: String,
}

/// One value that would have to be otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// Where, as rules write it: `body.alerts[0].status`.
    pub path: String,
    /// What is there, as JSON; `None` where nothing is.
    pub from: Option<String>,
    /// What would have to be there, as JSON; `None` where it would have to be missing.
    pub to: Option<String>,
}

/// `body.status` were "firing" and not "resolved".
impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.to {
            Some(to) => write!(f, "`{}` were {to}", self.path)?,
            None => write!(f, "`{}` were missing", self.path)?,
        }
        match &self.from {
            Some(from) if from.starts_with(['[', '{']) => Ok(()),
            Some(from) if self.to.is_some() => write!(f, " and not {from}"),
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
    pub fn closest(&self, event: &Event<'_>, rule: &str) -> Option<Closest> {
        let typed = self.typed();
        let mut rules = typed
            .sensors
            .iter()
            .flat_map(|sensor| sensor.rules.iter().map(move |rule| Placed { sensor, rule }));
        let placed = rules.find(|placed| {
            let sensor = placed.sensor;
            placed.rule.name == rule
                && sensor.source == event.source()
                && sensor.event == event.name()
        })?;
        let closest = Analysis::new(typed).closest(placed, event)?;
        let json = |value: Option<Value<'_>>| value.and_then(|value| value.to_json_text().ok());
        let changes = closest.changes.into_iter().map(|change| Changed {
            path: change.path.to_string(),
            from: json(change.from),
            to: json(change.to),
        });
        Some(Closest { changes: changes.collect(), body: closest.event.text()? })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Event, Registry, Ruleset, Schema, SourceSchema};

    #[test]
    fn it_is_of_the_rule_that_is_asked_about_and_exact() {
        let registry = Registry::new()
            .source(SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
            .trigger(Schema::new("page", ""));
        let text = "source q queue { event e event other }
            sensor s on q.e {
              rule a { when body.a == 1  trigger page {} }
              rule b { when body.b == 123456789012345678901234567891  trigger page {} }
            }
            sensor t on q.other { rule c { trigger page {} } }";
        let text = text.replace("event e event", "event e, event");
        let ruleset = Ruleset::parse("a.rules", &text, &registry).unwrap();
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
}
