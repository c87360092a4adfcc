//! libFuzzer's way into `bodies/explain.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| inrush_fuzz::explain::check(input));
