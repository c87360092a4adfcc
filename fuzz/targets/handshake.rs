//! libFuzzer's way into `bodies/handshake.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| inrush_fuzz::handshake::check(input));
