//! What the core promises, held against models and other implementations.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::field_reassign_with_default,
    clippy::print_stdout,
    reason = "a model that cannot go on is a failed test; its numbers are small"
)]

#[path = "../../../../fuzz/bodies/mod.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets have it as a library")]
mod bodies;
mod compressing;
mod corpus;
mod explain;
mod faults;
mod frames;
mod handshakes;
mod merging;
mod mirroring;
mod pacing;
mod repro;
mod wheel_model;
mod world;

use proptest::prelude::ProptestConfig;

/// So many cases, and no file left behind when one fails.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
