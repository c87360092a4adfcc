//! libFuzzer's way into `bodies/deflate.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| inrush_fuzz::deflate::check(input));
