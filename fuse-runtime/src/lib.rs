//! The fuse runtime: accepts events durably, lets the rules decide each of them once, performs the actions, and
//! records the results.
//!
//! ```text
//! source -> intake -> bus (durable, then answered) -> engine: evaluate -> ledger -> trigger
//! ```
//!
//! An [`event::Envelope`] is published on a [`bus::Bus`], which delivers it to the engine. A [`ledger::Ledger`]
//! records the decisions and the state of each action. The embedded bus and ledger share one
//! [`store::Store`]: one file in one folder, no server. [`Runtime`] combines them.
//!
//! The built-in triggers act on a [`kubernetes::Cluster`], or write [`triggers::ActionFiles`]. A program that
//! embeds this crate chooses the version of the Kubernetes types: it needs
//! `k8s-openapi = { version = "0.29", features = ["latest"] }` among its dependencies.
//!
//! An embedding program can implement its own [`sources::Source`], [`triggers::Trigger`], and [`bus::Bus`] with
//! [`ledger::Ledger`].

mod admin;
pub mod bus;
pub mod clock;
mod config;
pub mod engine;
pub mod event;
mod files;
pub mod http;
pub mod kubernetes;
pub mod ledger;
mod log_limit;
mod metrics;
pub mod requirements;
mod running;
mod runtime;
pub mod secrets;
mod shutdown;
pub mod sources;
pub mod store;
mod supervise;
pub mod triggers;

pub use config::{
    ClusterConfig, Config, ConfigError, HeldConfig, LintName, ListenConfig, LocalConfig,
    RulesConfig, StateConfig, SwitchValue, variable,
};
pub use files::{Disk, FilesError, files_with_ending, rule_files};
pub use running::Running;
pub use runtime::{Runtime, StartError, plan_hash, registry};
pub use shutdown::Shutdown;
