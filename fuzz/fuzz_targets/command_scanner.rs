//! Commands in a model's text, in any split.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phony_call::fuzzing::command_scanner(data));
