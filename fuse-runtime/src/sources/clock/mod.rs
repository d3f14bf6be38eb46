//! The source `clock`: events at certain times.
//!
//! The id of an event is the time at which it is due, so that each time has one event, however often fuse restarts.

mod schedule;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::schedule::{Schedule, ScheduleFields};
use super::{AcceptError, BoundSource, EventBinding, Incoming, Source, SourceContext, SourceError};

/// The longest sleep, so that a change of the machine's time is noticed.
const MAX_SLEEP: Duration = Duration::from_secs(10);

/// The longest `catch-up`, in milliseconds. Events must be remembered for longer.
const MAX_CATCH_UP: u64 = 24 * 60 * 60 * 1000;

/// The default of `catch-up`, in milliseconds.
const DEFAULT_CATCH_UP: i64 = 60 * 1000;

/// How late an event may be while fuse runs, whatever `catch-up` is: the machine may be busy.
const MIN_LATE: Duration = Duration::from_secs(60);

/// The most events that are sent late at once.
const MAX_LATE: usize = 1000;

/// Sends events at times of a calendar, or at regular intervals.
///
/// ```
/// use fuse_runtime::registry;
/// use fuse_runtime::sources::{ClockSource, Sources};
/// use fuse_runtime::triggers::Triggers;
/// use fuse_rules::Ruleset;
///
/// let registry = registry(&Sources::new().with("clock", ClockSource), &Triggers::new());
/// let rules = r#"source times clock { event nightly { cron = "0 2 * * *" } }"#;
/// assert!(Ruleset::parse("x.rules", rules, &registry).is_ok());
/// let rules = r#"source times clock { event never { cron = "0 0 30 2 *" } }"#;
/// assert!(Ruleset::parse("x.rules", rules, &registry).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ClockSource;

/// The configuration of an event.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClockConfig {
    #[serde(flatten)]
    schedule: ScheduleFields,
    /// In milliseconds.
    catch_up: u64,
    missed: Missed,
}

/// Which of several missed times have a late event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Missed {
    Last,
    All,
}

fn verify(fields: &Map<String, Value>) -> Result<(), String> {
    let config = ClockConfig::deserialize(Value::Object(fields.clone()));
    let Ok(config) = config else { return Ok(()) };
    if config.catch_up > MAX_CATCH_UP {
        return Err("has `catch-up` of more than 24h".to_owned());
    }
    Schedule::new(&config.schedule).map(drop).map_err(|why| why.to_string())
}

#[async_trait]
impl Source for ClockSource {
    fn schema(&self) -> SourceSchema {
        let shared = |schema: Schema, catch_up: Field, missed: Field| {
            let dates = FieldType::List(Box::new(FieldType::String));
            schema
                .field(Field::optional(
                    "zone",
                    FieldType::String,
                    "The time zone of `cron` and `except`; UTC if not set.",
                ))
                .field(Field::optional(
                    "except",
                    dates,
                    "Dates without events, as in `2026-12-25`.",
                ))
                .field(catch_up)
                .field(missed)
        };
        let catch_up = || {
            let doc = "How late an event may be, for example after a restart.";
            Field::optional("catch-up", FieldType::Duration, doc)
        };
        let missed = || {
            let values = FieldType::OneOf(vec!["last".into(), "all".into()]);
            Field::optional(
                "missed",
                values,
                "Which missed times have a late event: the `last`, or `all`.",
            )
        };
        let source = Schema::new("clock", "Sends events at certain times.");
        let source = shared(source, catch_up().default(DEFAULT_CATCH_UP), missed().default("last"));
        let event = Schema::new("event", "One kind of event of a clock.");
        let event = shared(event, catch_up(), missed())
            .field(Field::optional(
                "cron",
                FieldType::String,
                "The times, in the five fields of cron.",
            ))
            .field(Field::optional("every", FieldType::Duration, "The time between two events."))
            .one_of(&["cron", "every"]);
        SourceSchema::new(source, event).verify(verify)
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        let now = context.intake().now();
        let events = events.into_iter().map(|event| Clocked::new(event, now));
        Ok(Box::new(Clocks { events: events.collect::<Result<_, _>>()? }))
    }
}

/// The events of all clocks.
struct Clocks {
    events: Vec<Clocked>,
}

/// An event and its times.
struct Clocked {
    binding: EventBinding,
    schedule: Schedule,
    catch_up: Duration,
    missed: Missed,
    /// The times until this one have their events, or will have none.
    done_until: Timestamp,
}

impl Clocked {
    fn new(binding: EventBinding, now: Timestamp) -> Result<Self, SourceError> {
        let config: ClockConfig = binding.config()?;
        let schedule = Schedule::new(&config.schedule).map_err(|why| {
            SourceError::with_source(format!("`{}` cannot be scheduled", binding.full_name()), why)
        })?;
        let catch_up = Duration::from_millis(config.catch_up.min(MAX_CATCH_UP));
        let done_until = before(now, catch_up);
        Ok(Self { binding, schedule, catch_up, missed: config.missed, done_until })
    }

    /// When the next event is due.
    fn next(&self) -> Option<Timestamp> {
        self.schedule.next_after(self.done_until)
    }

    /// The times that are due and have no event yet, in order, without those that are too late.
    fn due(&mut self, now: Timestamp) -> Vec<Timestamp> {
        if now < self.done_until {
            // Somebody set the clock back. Events that are sent again are known by their ids.
            self.done_until = before(now, self.catch_up);
        }
        let too_late = before(now, self.catch_up.max(MIN_LATE));
        if self.next().is_some_and(|next| next < too_late) {
            let event = self.binding.full_name();
            tracing::warn!(event, "times are missed: they are longer ago than `catch-up`");
            // Times that are exactly as long ago are not too late.
            self.done_until = self.done_until.max(before(too_late, Duration::from_nanos(1)));
        }
        let mut due = Vec::new();
        let mut at = self.done_until;
        while let Some(next) = self.schedule.next_after(at).filter(|next| *next <= now) {
            if self.missed == Missed::Last {
                due.clear();
            } else if due.len() >= MAX_LATE {
                // The others follow at once.
                break;
            }
            due.push(next);
            at = next;
        }
        due
    }

    fn incoming(&self, due: Timestamp) -> Incoming {
        let local = self.schedule.local(due);
        let body = json!({ "due": due.to_string(), "local": local }).to_string();
        Incoming::json(&self.binding.source, &self.binding.name, body).with_id(due.to_string())
    }
}

/// The time that is this long before another.
fn before(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[async_trait]
impl BoundSource for Clocks {
    fn listening(&self) -> Vec<String> {
        let line = |event: &Clocked| {
            let next = event.next().map_or("never".to_owned(), |next| event.schedule.local(next));
            format!("{} {}", event.binding.full_name(), event.schedule.describe(&next))
        };
        self.events.iter().map(line).collect()
    }

    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        loop {
            let now = context.intake().now();
            for event in &mut self.events {
                for due in event.due(now) {
                    let accepted = context.intake().accept(event.incoming(due)).await;
                    match accepted {
                        // The zone was changed, so that the body has another local time.
                        Ok(_) | Err(AcceptError::Conflict { .. }) => {}
                        Err(error) if error.is_retryable() => {
                            return Err(SourceError::with_source(
                                "an event of the clock is not accepted",
                                error,
                            ));
                        }
                        Err(error) => {
                            let event = event.binding.full_name();
                            tracing::error!(event, %due, %error, "an event of the clock is refused");
                        }
                    }
                    event.done_until = event.done_until.max(due);
                }
            }
            let next = self.events.iter().filter_map(Clocked::next).min();
            let wait = next.map(|next| next.duration_since(context.intake().now()));
            let wait = wait.map_or(MAX_SLEEP, |wait| Duration::try_from(wait).unwrap_or_default());
            tokio::select! {
                () = context.shutdown().requested() => return Ok(()),
                () = tokio::time::sleep(wait.min(MAX_SLEEP)) => {}
            }
        }
    }
}
