//! Whatever is pasted: no panic, and the same answer again.

use crate::{bodies, cases};
use proptest::prelude::*;

/// Words that reach into the grammars, to be cut and mixed with noise.
const WORDS: [&str; 24] = [
    "read tcp 1:2->3:4:",
    "errno",
    "-104",
    "(111:",
    "LISTEN 129 128",
    "close",
    "1006",
    "HTTP/1.1\" ",
    "503 UF",
    "lookup localhost",
    "{\"msg\":\"",
    "\"}",
    "Traceback (most recent call last):\n",
    "\n\t",
    "Caused by: ",
    "goroutine 1",
    "0/0/-1/-1/3",
    "SC--",
    "1/1/1/1/1",
    "\u{1b}[31m",
    "curl: (",
    "7)",
    "TcpExtListenOverflows",
    "{remote,1006",
];

fn noise() -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(WORDS.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let piece = prop_oneof![
        word,
        proptest::collection::vec(any::<u8>(), 0..12),
        "\\PC{0,6}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn nothing_pasted_ends_the_program(input in noise()) {
        bodies::explain::check(&input);
    }
}
