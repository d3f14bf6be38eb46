//! The fuse runtime: takes events in durably, has the rules decide about each once, fires what
//! they decide, and remembers.
//!
//! ```text
//! source -> intake -> bus (durable, then answered) -> engine: evaluate -> ledger -> trigger
//! ```
//!
//! An [`event::Envelope`] is published on a [`bus::Bus`] and handed out from there; what the rules
//! decide about it, and what became of each action, is kept in a [`ledger::Ledger`]. The embedded
//! bus and ledger share one [`store::Store`]: one file in one folder, no server. [`Runtime`] puts
//! them together.
//!
//! The built-in triggers act on a [`kubernetes::Cluster`], or with [`triggers::ActionFiles`] on files. Their
//! client for Kubernetes wants the version of its types chosen once, by the program that embeds
//! this crate: `k8s-openapi = { version = "0.29", features = ["latest"] }` among its dependencies.
//!
//! Three doors are open to embedders: [`sources::Source`], [`bus::Bus`] with [`ledger::Ledger`],
//! and [`triggers::Trigger`].

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
