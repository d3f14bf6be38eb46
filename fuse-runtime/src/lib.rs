//! The fuse runtime: takes events in durably, has the rules decide about each one once, and
//! remembers what was decided and done.
//!
//! An [`event::Envelope`] is published on a [`bus::Bus`] and handed out from there; what the rules
//! decide about it, and what became of each action, is kept in a [`ledger::Ledger`]. The embedded
//! bus and ledger share one [`store::Store`]: one file in one folder, no server.

pub mod bus;
pub mod event;
pub mod flow;
pub mod ledger;
pub mod store;
