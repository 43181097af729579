#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phony_wire::fuzzing::realtime_server(data));
