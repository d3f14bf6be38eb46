//! The fuse rule language: text to checked rules, checked rules to a plan, events to decisions.
//!
//! This crate is pure. It reads no file, asks no clock and starts no thread; what it decides is a
//! function of the rules, the event and the fuses. The runtime around it is `fuse-runtime`.
//!
//! ```
//! use fuse_rules::{Event, Field, FieldType, Fuses, Registry, Ruleset, Schema, SourceSchema};
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
mod autofix;
mod check;
mod cost;
mod counterfactual;
mod decision;
mod diagnostic;
mod eval;
mod event;
mod format;
mod functions;
mod fuses;
mod fuzzing;
mod infer;
mod inventory;
mod json_schema;
#[cfg(test)]
mod layers;
mod lint;
mod literals;
mod loader;
mod number;
pub mod once;
mod path;
mod plan;
mod reference;
mod ruleset;
mod scan;
mod schema;
mod semantics;
mod sensitive;
mod span;
mod stdlib;
mod syntax;
mod testing;
mod typed;
mod types;
mod value;

pub use autofix::Repair;
pub use cost::{CostPart, RuleCost};
pub use counterfactual::{Changed, Counterfactual, WouldMatch};
pub use decision::{Action, Decided, Decision, Element, Evaluation, OnceKey, Outcome};
pub use diagnostic::{
    Code, Diagnostic, Diagnostics, Edit, Fix, Label, Severity, Style, Topic, UnknownCode, nearest,
};
pub use eval::{Explained, ExplainedPage, Explanation, Form, Found, PageRequest, Part, Plan};
pub use event::{Event, InvalidBody, MAX_DEPTH, UnreadableBody};
pub use format::format;
pub use functions::{FunctionInfo, functions};
pub use fuses::{Fuses, parse_switch};
pub use fuzzing::{Finding, FindingKind, FoundEvent, Fuzzer};
pub use infer::TypeInference;
pub use inventory::{
    DefinitionInfo, DefinitionKind, EachInfo, EventInfo, FuseInfo, OnceInfo, RuleInfo, SensorInfo,
    SourceInfo, Written,
};
pub use lint::{
    Level, Lint, Lints, TemplateError, TemplateFile, TemplateParameter, UnknownLint,
    WorkflowTemplate,
};
pub use literals::{parse_duration, parse_size, quoted, show_duration};
pub use loader::{LoadError, Loader};
pub use number::{Number, NumberError};
pub use plan::BodyField;
pub use ruleset::Ruleset;
pub use schema::{
    Field, FieldType, Outline, OutlineField, Registry, Schema, SourceSchema, Templates,
    TriggerInfo, Verify,
};
pub use sensitive::{HIDDEN, is_sensitive};
pub use span::{ColumnUnit, FileId, Files, Place, Position, SourceFile, Span};
pub use testing::{AtomCoverage, Backends, Coverage, Mutant, RuleCoverage, Tests};
