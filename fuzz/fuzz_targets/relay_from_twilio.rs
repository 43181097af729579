#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phony_wire::fuzzing::relay_from_twilio(data));
