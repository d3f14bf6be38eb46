//! The fuse rule language: text to checked rules, checked rules to a plan, events to decisions.
//!
//! This crate is pure. It reads no file, asks no clock and starts no thread; what it decides is a
//! function of the rules, the event and the fuses. The runtime around it is `fuse-runtime`.
//!
//! ```
//! use fuse_rules::{Event, Fuses, Registry, Ruleset};
//! use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
//!
//! let registry = Registry::new()
//!     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
//!     .trigger(Schema::new("page", "Calls a human.").field(Field::required(
//!         "team",
//!         FieldType::String,
//!         "Whom to call.",
//!     )));
//! let text = r#"
//!     source tickets queue { event opened }
//!     sensor urgent on tickets.opened {
//!       rule call { when body.severity >= 4  trigger page { team = body.team ?? "ops" } }
//!     }
//! "#;
//! let plan = Ruleset::parse("tickets.rules", text, &registry)?.plan();
//! let event = Event::new("tickets", "opened", br#"{"severity": 5}"#)?;
//! for decision in plan.evaluate(&event, &Fuses::default()).fired() {
//!     assert_eq!(decision.rule, "urgent/call");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
mod accepts;
mod analysis;
mod attempts;
pub mod autofix;
mod check;
pub mod comparison;
pub mod cost;
mod counterfactual;
mod decision;
pub mod diagnostic;
mod eval;
mod event;
pub mod flow;
mod format;
pub mod functions;
mod fuses;
pub mod fuzzing;
pub mod infer;
pub mod inventory;
mod json_schema;
#[cfg(test)]
mod layers;
pub mod lint;
pub mod literals;
mod loader;
pub mod media_type;
mod number;
mod path;
mod plan;
mod reaction;
mod reference;
mod ruleset;
mod scan;
pub mod schema;
mod semantics;
mod sensitive;
mod span;
pub mod stdlib;
mod syntax;
pub mod testing;
mod typed;
mod types;
mod value;

pub use attempts::{AttemptPolicy, Backoff, Retry};
pub use decision::{Action, Decided, Decision, Element, Evaluation, Outcome};
pub use diagnostic::{Diagnostic, Diagnostics};
pub use eval::{ArrivedEvent, BlockValues, Plan};
pub use event::{Event, InvalidBody, MAX_DEPTH, UnreadableBody, foreign_encoding, without_bom};
pub use format::format;
pub use fuses::{Fuses, PendingActions};
pub use loader::{LoadError, Loader};
pub use number::{Number, NumberError};
pub use reaction::{ActionResponse, BlownCause, ReactionCause, ReactionKind};
pub use ruleset::{Examined, LoadCache, Ruleset};
pub use schema::Registry;

/// Why rules did or did not fire, and the smallest change to an event that makes a rule match.
pub mod explain {
    pub use crate::counterfactual::{Changed, Counterfactual, WouldMatch};
    pub use crate::eval::{Explained, ExplainedPage, Explanation, Form, Found, PageRequest, Part};
    pub use crate::sensitive::{HIDDEN, is_sensitive};
}
