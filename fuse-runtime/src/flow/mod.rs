//! Flow control as pure state machines: no I/O and no clock, the caller brings state and time.

pub mod once;
