//! libFuzzer's way into `bodies/dispatch.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| inrush_fuzz::dispatch::check(input));
