//! The fuse runtime: accepts events durably, decides each of them once by the rules, performs the actions,
//! and keeps a record.
//!
//! ```text
//! source -> intake -> bus (durable, then answered) -> engine: evaluate -> ledger -> trigger
//! ```
//!
//! An [`event::Envelope`] is published on a [`bus::Bus`], which delivers it to the engine. A
//! [`ledger::Ledger`] records the decisions about it, and the state of each action. The two together are a
//! [`backend::Backend`]; [`backend::Embedded`] keeps them in one folder, without a server.
//! [`Runtime`] starts on a backend.
//!
//! The built-in triggers act on a [`kubernetes::Cluster`], or write [`triggers::ActionFiles`]. A program that
//! embeds this crate chooses the version of the Kubernetes types: it needs
//! `k8s-openapi = { version = "0.29", features = ["latest"] }` among its dependencies.
//!
//! Embedders can implement three traits: [`sources::Source`], [`backend::Backend`], and
//! [`triggers::Trigger`]. [`testing`] has tools for their tests.

mod admin;
pub mod backend;
pub mod bus;
mod change;
pub mod clock;
mod config;
mod decision_waiters;
mod deep_json;
pub mod engine;
mod error_causes;
pub mod event;
mod files;
mod fuses;
mod generation;
pub mod http;
mod http_client;
pub mod kubernetes;
pub mod ledger;
mod log_limit;
mod metrics;
mod reload;
pub mod requirements;
mod running;
mod runtime;
pub mod secrets;
mod shutdown;
pub mod sources;
pub mod store;
mod supervise;
mod switchboard;
mod tasks;
pub mod testing;
mod token_review;
pub mod triggers;

pub use admin::{AdminAccess, AdminRight, AdminRights, AdminTls, NoApprover, ReviewedRights};
pub use config::{
    AdminConfig, AdminToken, BackendConfig, BackendKind, ClusterConfig, Config, ConfigError,
    ConfigFile, HeldConfig, LintName, ListenConfig, LocalConfig, RulesConfig, SecretsConfig,
    StateConfig, SwitchValue, TokenReviewConfig, variable,
};
pub use files::{
    Disk, FileStamps, FilesError, TrackedDisk, files_with_ending, read_error, rule_files,
};
pub use fuses::ConfiguredFuses;
pub use generation::plan_hash;
pub use reload::{
    FuseChange, LoadAttempt, LoadedRules, ReloadError, ReloadReport, Reloader, RuleChanges,
    RulesLoader,
};
pub use running::Running;
pub use runtime::{Runtime, StartError, registry};
pub use shutdown::Shutdown;
pub use token_review::{ReviewedUser, TokenReviewError, TokenReviewer};
