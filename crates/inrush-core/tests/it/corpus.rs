//! What fuzzing found worth keeping (`fuzz/corpus`), through the same checks as there.

use crate::bodies;
use std::fs;
use std::path::Path;

/// Files of one target, and bytes of one file: what is kept stays small.
const FILES: usize = 40;
const BYTES: usize = 4_096;

fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let input = fs::read(&path).unwrap();
        assert!(input.len() < BYTES, "{} is too long", path.display());
        // Shown with a failure only.
        println!("{}", path.display());
        check(&input);
        files += 1;
    }
    assert!((1..=FILES).contains(&files), "{files} files in {}", folder.display());
}

#[test]
fn frames_of_the_corpus() {
    replay("frames", bodies::frames::check);
}

#[test]
fn handshakes_of_the_corpus() {
    replay("handshake", bodies::handshake::check);
}

#[test]
fn compressed_messages_of_the_corpus() {
    replay("deflate", bodies::deflate::check);
}

#[test]
fn messages_of_the_corpus() {
    replay("dispatch", bodies::dispatch::check);
}

#[test]
fn texts_of_the_corpus() {
    replay("explain", bodies::explain::check);
}
