//! Any bytes as the body of an event.
#![no_main]

#[allow(dead_code, reason = "each target runs one of them")]
#[path = "../../fuse-rules/tests/fuzz/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::event(bytes));
