#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hatchway::fuzzing::image(bytes));
