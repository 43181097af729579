#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| phony_wire::fuzzing::relay_to_twilio(data));
