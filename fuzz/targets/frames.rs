//! libFuzzer's way into `bodies/frames.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| inrush_fuzz::frames::check(input));
