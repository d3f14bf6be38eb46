//! Files made of the language, checked, planned and evaluated.
#![no_main]

#[allow(dead_code, reason = "each target runs one of them")]
#[path = "../../fuse-rules/tests/fuzz/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::check(bytes));
